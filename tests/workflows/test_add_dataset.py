"""A folder or a table of pictures becomes a data set with a split, a frozen episode list and a track."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.pictures import noise_pictures

from freeshot.basics.errors import DataError, FreeshotError, PoolError
from freeshot.data.user_dataset import dataset_class, manifest_path, register_user_datasets
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool.build import PoolRequest, build_pool
from freeshot.workflows.add_dataset import AddRequest, add_dataset

if TYPE_CHECKING:
    from tests.conftest import Toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return noise_pictures(tmp_path / "pictures", classes=10, each=6)


@pytest.fixture
def own(toy: Toy) -> Path:
    """Build a pool of two LoRAs in a folder of pools."""
    out = toy.folder / "pools" / "ours"
    build_pool(
        PoolRequest("ours", ("toy-waves",), 2, "toy-vit", rank=2, way=3, steps=2, out=out),
        toy.catalogue,
        toy.catalogue.host,
    )
    return out


@pytest.fixture
def request_(folder: Path, toy: Toy) -> AddRequest:
    sizes = {"way": 2, "query": 3, "episodes": 20}
    return AddRequest("mine", folder, toy.folder / "data", pool="toy", backbone="toy-vit", **sizes)  # type: ignore[arg-type]


def test_an_added_data_set_runs_like_any_track(request_: AddRequest, toy: Toy) -> None:
    manifest, actual = add_dataset(request_, toy.catalogue)
    assert [(split.name, split.classes) for split in actual.splits] == [("base", 6), ("validation", 2), ("novel", 2)]
    assert manifest.settings.sources == ("toy-waves",)
    catalogue = Catalogue(load_plugins())
    register_user_datasets(catalogue.host, request_.data)
    again = replace(toy, catalogue=catalogue)
    record = again.record("frozen-prototype", suite=None, track="own/mine/2w1s")
    assert record.status == "ok"
    assert record.hashes["episodes"] == manifest.settings.episodes_sha256


def test_a_backbone_may_have_options(request_: AddRequest, toy: Toy) -> None:
    network = "timm:model=vit_tiny_patch16_224,weights=random,side=16,patch=4,depth=2"
    manifest, _ = add_dataset(replace(request_, backbone=network), toy.catalogue)
    assert manifest.settings.backbone == network


def test_pool_and_backbone_are_those_of_the_main_suite(request_: AddRequest, toy: Toy) -> None:
    manifest, _ = add_dataset(replace(request_, pool=None, backbone=None), toy.catalogue)
    assert (manifest.settings.pool, manifest.settings.backbone) == ("pocket", "pocket-vit")


def test_a_track_may_use_a_pool_of_the_user(request_: AddRequest, toy: Toy, own: Path) -> None:
    manifest, _ = add_dataset(replace(request_, pool="ours", pools=own.parent), toy.catalogue)
    assert manifest.settings.pool == "ours"
    assert manifest.settings.sources == ("toy-waves",)
    catalogue = Catalogue(load_plugins())
    register_user_datasets(catalogue.host, request_.data)
    again = replace(toy, catalogue=catalogue)
    record = again.record("lora-average", suite=None, track="own/mine/2w1s", pools=own.parent)
    assert record.status == "ok", record.reason
    assert record.spec.track.pool == "ours"
    assert len(record.spec.track.pool_sha256) == 64


def test_a_pool_outside_the_folder_of_pools_must_be_imported_first(request_: AddRequest, toy: Toy, own: Path) -> None:
    with pytest.raises(PoolError, match=r"^Tracks name their pool, and runs search 'ours' in .*: freeshot pool import"):
        add_dataset(replace(request_, pool=str(own)), toy.catalogue)


def test_a_pool_with_a_damaged_card_is_refused(request_: AddRequest, toy: Toy, own: Path) -> None:
    card = json.loads((own / "pool.json").read_text())
    card["loras"][0]["facts"] = ["toy-waves"]
    (own / "pool.json").write_text(json.dumps(card))
    with pytest.raises(PoolError, match=r"pool\.json"):
        add_dataset(replace(request_, pool="ours", pools=own.parent), toy.catalogue)
    assert not manifest_path(request_.data, "mine").exists()


def test_a_changed_picture_is_detected(request_: AddRequest, toy: Toy, folder: Path) -> None:
    manifest, _ = add_dataset(request_, toy.catalogue)
    Image.new("RGB", (9, 9)).save(folder / manifest.splits.novel[0] / "0.png")
    catalogue = Catalogue(load_plugins())
    register_user_datasets(catalogue.host, request_.data)
    record = replace(toy, catalogue=catalogue).record("frozen-prototype", suite=None, track="own/mine/2w1s")
    assert record.status == "failed"
    assert "are not the frozen ones" in record.reason


def test_the_split_comes_from_a_file_from_the_table_or_from_shares(
    request_: AddRequest, toy: Toy, folder: Path
) -> None:
    lines = [
        f"kind-{n}/{i}.png,{'old' if n < 5 else 'new'}-{n},{'base' if n < 5 else 'novel'}"
        for n in range(10)
        for i in range(6)
    ]
    (folder / "t.csv").write_text("path,label,split\n" + "\n".join(lines) + "\n")
    (folder / "s.csv").write_text("label,split\nkind-1,novel\nkind-2,novel\nkind-3,base\n")
    from_table, _ = add_dataset(replace(request_, path=folder / "t.csv", name="b"), toy.catalogue)
    (folder / "t.csv").unlink()
    from_file, _ = add_dataset(replace(request_, split=folder / "s.csv", name="a"), toy.catalogue)
    from_shares, _ = add_dataset(replace(request_, shares=(0, 0, 1), name="c"), toy.catalogue)
    assert from_file.splits.novel == ("kind-1", "kind-2")
    assert from_table.splits.base == tuple(f"old-{n}" for n in range(5))
    assert len(from_shares.splits.novel) == 10
    origins = [from_file.split_from, from_table.split_from, from_shares.split_from]
    assert origins == ["s.csv", "the column 'split' of t.csv", "0 base, 0 validation, 1 novel; seed 0"]


def test_a_data_folder_that_holds_the_pictures_may_be_moved(request_: AddRequest, toy: Toy, folder: Path) -> None:
    request_.data.mkdir()
    inside = folder.rename(request_.data / "pictures")
    manifest, _ = add_dataset(replace(request_, path=inside), toy.catalogue)
    moved = request_.data.rename(toy.folder / "elsewhere")
    assert manifest.path == "pictures"
    assert len(dataset_class(manifest)().load("novel", moved)) == 12


def test_the_same_name_may_be_added_again(request_: AddRequest, toy: Toy) -> None:
    first, _ = add_dataset(request_, toy.catalogue)
    register_user_datasets(toy.catalogue.host, request_.data)
    second, _ = add_dataset(replace(request_, seed=1), toy.catalogue)
    assert first.splits != second.splits


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": "Mine"}, "'Mine' cannot be a data set's name"),
        ({"name": "toy-waves"}, "'toy-waves' is already a data set of .*. Choose another name."),
        ({"pool": "tay"}, "No pool is called 'tay'"),
        ({"backbone": "toy-vat"}, "No backbone is called 'toy-vat'"),
        ({"path": Path("nowhere")}, "nowhere is neither a folder"),
        ({"way": 3}, r"draws 3 classes, but the shares 0.6,0.2,0.2 make only 2 of 10 novel\. Give .*--shares 0,0,1"),
        ({"way": 11}, "draws 11 classes, but there are pictures of only 10"),
        ({"query": 9}, "needs 10 images of every class"),
        ({"shares": (1.0,)}, "are not a valid split"),
    ],
)
def test_an_invalid_request_is_an_error_and_writes_no_manifest(
    request_: AddRequest, toy: Toy, changed: dict[str, object], why: str
) -> None:
    requested = replace(request_, **changed)  # type: ignore[arg-type]
    with pytest.raises(FreeshotError, match=why):
        add_dataset(requested, toy.catalogue)
    assert not manifest_path(request_.data, requested.name).exists()


def test_broken_pictures_are_counted_and_nothing_is_added(request_: AddRequest, toy: Toy, folder: Path) -> None:
    for name in ("kind-1", "kind-2"):
        (folder / name / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cannot be read as a picture .* 1 more cannot be read either\."):
        add_dataset(request_, toy.catalogue)
    assert not manifest_path(request_.data, "mine").exists()
