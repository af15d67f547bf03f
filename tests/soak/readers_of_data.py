"""Readers of data sets: split lists, tables, manifests, folders, archives, cards, and options of the user."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image
from scipy.io import savemat
from tests.soak.damaging import Folder
from tests.soak.mutations import mutated
from tests.soak.reader import Reader

from freeshot.contracts.component import build, name_and_options
from freeshot.data.archives import unpack
from freeshot.data.image_folder import classes_in, left_out, stray_images
from freeshot.data.images import images_of
from freeshot.data.splits import Split, read_split, split_of_rows
from freeshot.data.user_dataset import (
    Manifest,
    TrackSettings,
    dataset_class,
    list_images,
    manifest_path,
    read_manifest,
    write_manifest,
)
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.vit.backbone import open_backbone
from freeshot.launch.plan import given_options
from freeshot.render.html.prediction_sheet import prediction_sheet
from freeshot.render.picture_predictions import as_csv, as_json
from freeshot.testing.toy import ToyVit
from freeshot.workflows.predict import predict_folders
from freeshot.workflows.prediction_sheet import thumbnails_of
from freeshot_vision.backbones.providers import TimmVit
from freeshot_vision.datasets.cifar_fs import RECORD, CifarFs
from freeshot_vision.datasets.in_domain import VggFlower
from freeshot_vision.datasets.published_dataset import SPLITS
from freeshot_vision.datasets.quick_draw import QuickDraw
from freeshot_vision.sheets import Card, open_sheet
from makers.pocket_data.write_sheet import write_sheet


def readers(folder: Path) -> Iterator[Reader]:
    """Write valid files into a folder, and yield their readers."""
    yield from _splits(folder)
    yield from _own(folder)
    yield from _archives(folder)
    yield from _folders(folder)
    yield from _published(folder)
    lines = folder / "lines.txt"
    lines.write_text("timm:side=224,normalize=own,scale=l2,model=vit_base_patch16_224\ninversion.lr=0.1\nworkers=2")

    def name_options() -> None:
        name, *pairs = lines.read_bytes().decode("utf-8", "surrogateescape").splitlines() or [""]
        build(TimmVit, name_and_options(name)[1])
        given_options(pairs)

    yield Reader("names with options", lines, name_options)


def _splits(folder: Path) -> Iterator[Reader]:
    split = folder / "split.json"
    shutil.copy(SPLITS / "cifar-fs.json", split)
    yield Reader("split lists, JSON", split, lambda: read_split(split))
    rows = folder / "split.csv"
    rows.write_text('label,split\ncat,base\ndog,validation\n"fox, red",novel\nhen,novel\n')
    yield Reader("split lists, CSV", rows, lambda: read_split(rows))


def _own(folder: Path) -> Iterator[Reader]:
    data = folder / "data"
    for number in range(6):
        picture(data / "pictures" / f"{number % 3}" / f"{number}.png", number)
    table = data / "table.csv"
    lines = [f"pictures/{n % 3}/{n}.png,class {n % 3},{('base', 'novel', 'novel')[n % 3]}" for n in range(6)]
    table.write_text("\n".join(["path,label,split", *lines, ""]))

    def list_table() -> None:
        listed = list_images(table)
        if listed.splits:
            split_of_rows(listed.splits, table)

    yield Reader("own data, CSV", table, list_table)
    requested = TrackSettings(pool="pocket", sources=("icons",), backbone="pocket-vit", way=2, query=1, episodes=5)
    parts = Split(base=("0",), novel=("1", "2"))
    write_manifest(data, Manifest(name="mine", path="pictures", splits=parts, settings=requested))
    file = manifest_path(data, "mine")

    def open_manifest() -> None:
        manifest = read_manifest(file)
        dataset_class(manifest)().load("novel", data)
        assert manifest.track.dataset == manifest.name

    yield Reader("own data, manifests", file, open_manifest)


def _archives(folder: Path) -> Iterator[Reader]:
    for ending in ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz"):
        home = folder / ending.replace(".", "-")
        home.mkdir()
        file, out = home / f"x.{ending}", home / "in" / "out"
        write_archive(file, {"a/1.txt": b"one", "a/b/2.txt": b"two" * 1000, "3.txt": b""})

        def read(file: Path = file, out: Path = out) -> None:
            unpack(file, out, largest=2**19)
            inside = [path for path in out.rglob("*") if not path.resolve().is_relative_to(out)]
            assert not inside, inside

        def clear(out: Path = out) -> None:
            shutil.rmtree(out.parent, ignore_errors=True)
            out.parent.mkdir()

        yield Reader(f"archives, {ending}", file, read, clear, within=out.parent)
        if ending in ("zip", "tar.gz"):
            yield Reader(
                f"archives, {ending}, with members of a stranger",
                file,
                read,
                clear,
                lambda rng, file=file: write_hostile(file, rng),  # type: ignore[misc]
                out.parent,
            )


def _folders(folder: Path) -> Iterator[Reader]:
    home = folder / "world"
    for number in range(6):
        picture(home / "support" / f"{number % 2}" / f"{number}.png", number)
    for number in range(2):
        picture(home / "query" / f"{number}" / f"{number}.jpg", number)
    world = Folder(home)

    def open_folder() -> None:
        members = classes_in(home / "support")
        images = images_of(members, tuple(members), None).at(16)
        assert len(images.sha256) == 64
        images.read(range(len(images)))

    yield Reader("folders of class folders", home, open_folder, damage=world.damage)
    backbone = open_backbone(ToyVit())
    learner = AdaptedLearner(backbone)

    def predict(*, strict: bool) -> None:
        support, query = home / "support", home / "query"
        left_out(support, query)
        stray_images(support)
        predictions = predict_folders(learner, support, query, backbone.image_size, backbone.device, strict=strict)
        prediction_sheet(predictions, thumbnails_of(predictions), ())
        as_csv(predictions)
        as_json(predictions)

    for strict in (False, True):
        how = "strictly" if strict else "tolerantly"
        yield Reader(
            f"what `freeshot predict` is shown, {how}", home, partial(predict, strict=strict), damage=world.damage
        )


def _published(folder: Path) -> Iterator[Reader]:
    import numpy as np

    drawings = {name: np.full((2, 8, 8), 90, np.uint8) for name in ("a", "b")}
    about: dict[str, Any] = {"title": "t", "source": "s", "license": "l", "attribution": "a", "sha256": ""}
    split = {"base": ["a"], "validation": [], "novel": ["b"]}
    write_sheet(folder, Card(name="sheet", size=8, classes=("a", "b"), counts=(2, 2), split=split, **about), drawings)

    def open_both() -> None:
        for part in ("base", "novel"):
            images = open_sheet(folder, "sheet", part)
            images.read(range(len(images)))

    yield Reader("cards of sheets", folder / "sheet.json", open_both)
    card = json.loads((folder / "sheet.json").read_text())
    sheet = folder / "sheet.webp"

    def state_hash() -> None:
        import hashlib

        card["sha256"] = hashlib.sha256(sheet.read_bytes()).hexdigest()
        (folder / "sheet.json").write_text(json.dumps(card))

    yield Reader("sheets", sheet, open_both, state_hash)
    cifar = folder / "cifar-fs" / "cifar-100-binary"
    cifar.mkdir(parents=True)
    names = sorted(read_split(SPLITS / "cifar-fs.json").classes)
    (cifar / "fine_label_names.txt").write_text("\n".join(names) + "\n")
    for name in ("train.bin", "test.bin"):
        (cifar / name).write_bytes(b"".join(bytes([0, n]) + bytes(RECORD - 2) for n in range(len(names))))

    def open_cifar() -> None:
        images = CifarFs().load("novel", folder)
        images.read([0])

    for name in ("train.bin", "fine_label_names.txt"):
        yield Reader(f"CIFAR-100's {name}", cifar / name, open_cifar)
    flowers = folder / "vgg-flower"
    for number in range(102):
        picture(flowers / "jpg" / f"image_{number + 1:05d}.jpg", number % 6)
    labels = flowers / "imagelabels.mat"
    for packed, how in ((True, "packed"), (False, "as they are")):
        savemat(labels, {"labels": np.arange(1, 103)[None]}, do_compression=packed)
        yield Reader(f"VGG Flower's imagelabels.mat, {how}", labels, lambda: VggFlower().members(folder))
    bitmaps = folder / "quick-draw" / "numpy_bitmap"
    bitmaps.mkdir(parents=True)
    for name in read_split(SPLITS / "quick-draw.json").novel:
        np.save(bitmaps / f"{name}.npy", np.zeros((2, 28 * 28), np.uint8))

    def open_drawings() -> None:
        images = QuickDraw().load("novel", folder)
        images.read([0])

    yield Reader("Quick, Draw!'s angel.npy", bitmaps / "angel.npy", open_drawings)


def picture(file: Path, number: int) -> None:
    """Draw a small picture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 9), (40 * number, 90, 200)).save(file)


def write_archive(file: Path, content: dict[str, bytes]) -> None:
    """Pack files, compressed according to the archive's suffix."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return
    mode = "w:" + file.suffix.removeprefix(".").replace("tar", "")
    with tarfile.open(file, mode) as tar:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


STEPS = ("a", "b", "..", ".", "", "/", "~", "C:", "\\", "..\\", "a\0b", "x" * 300, "\u202e", "NUL", "a\nb", "in", "out")
KINDS = (
    *(tarfile.REGTYPE,) * 12,
    *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE),
)


def write_hostile(file: Path, rng: Random) -> None:
    """Pack members that lead out, that are links or devices, that state a wrong size, or that expand hugely."""
    steps = rng.choice((STEPS, STEPS[:2], STEPS[:2]))
    names = ["/".join(rng.choices(steps, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 5))]
    bomb = bytes(rng.choice((2**21, 2**18, 10, 10)))
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = rng.choice((*[0o100644] * 8, 0o120777, 0o040755, 0o060644, 0o010644)) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, rng.choice((b"/etc/passwd", b"../..", b"x" * 50, bomb)))
    else:
        with tarfile.open(file, "w:gz", compresslevel=1) as tar:
            for name in names:
                packed = tarfile.TarInfo(name.replace("\0", "0"))
                packed.type = rng.choice(KINDS)
                packed.linkname = rng.choice(("/etc/passwd", "..", "../../x", "a", ""))
                data = rng.choice((b"x", bomb)) if packed.type == tarfile.REGTYPE else b""
                packed.size = len(data)
                tar.addfile(packed, io.BytesIO(data))
    if rng.random() < 0.3:
        file.write_bytes(mutated(file.read_bytes(), rng))
