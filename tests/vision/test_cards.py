"""The cards of the pocket suite are complete, and the shipped sheets agree with them."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import freeshot_vision
from freeshot.basics.errors import DataError
from freeshot_vision.sheets import Card, SheetImages, open_sheet
from makers.pocket_data.write_sheet import write_sheet

DATA = Path(freeshot_vision.__file__).parent / "pocket" / "data"
EXPECTED = {"clipart", "digits", "fashion", "glyphs", "icons", "photos", "sketch"}
BUILT_ON_DEMAND = {"photos"}
SPLITS = ("base", "validation", "novel")
SHIPPED = sorted(EXPECTED - BUILT_ON_DEMAND)
SQUARES = {name: np.full((2, 8, 8), 90, np.uint8) for name in "ab"}
QUERIES_AND_SHOTS = 20
"""A task of fifteen queries and five shots needs this many images of a class."""


def _card(name: str) -> Card:
    return Card.read(DATA / f"{name}.json")


def _all_splits(name: str) -> list[SheetImages]:
    return [open_sheet(DATA, name, split) for split in SPLITS if _card(name).split[split]]


def _images_by_class(name: str) -> dict[str, list[bytes]]:
    return {
        images.classes[k]: [cell.tobytes() for cell in images.pixels[images.labels == k]]
        for images in _all_splits(name)
        for k in range(len(images.classes))
    }


def test_the_suite_ships_every_sheet_and_card_it_names() -> None:
    assert {path.stem for path in DATA.glob("*.webp")} == set(SHIPPED)
    assert {path.stem for path in DATA.glob("*.json")} >= EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_card_states_its_content_source_and_licence(name: str) -> None:
    card = _card(name)
    assert card.name == name
    assert all((card.title, card.source, card.license, card.attribution, card.notes))
    assert len(card.sha256) == 64
    assert card.size == 28
    assert len(card.classes) == len(set(card.classes)) == len(card.counts)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_card_names_no_registry_and_no_path(name: str) -> None:
    text = (DATA / f"{name}.json").read_text(encoding="utf-8")
    assert "://registry" not in text
    assert "/home/" not in text
    assert "/tmp/" not in text  # noqa: S108 - searched, not used


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_splits_share_no_class_and_cover_all(name: str) -> None:
    card = _card(name)
    assert set(card.split) == set(SPLITS)
    assert sorted(chain.from_iterable(card.split.values())) == sorted(card.classes)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_novel_class_has_enough_images_for_a_task(name: str) -> None:
    card = _card(name)
    counts = dict(zip(card.classes, card.counts, strict=True))
    assert len(card.split["novel"]) >= 5
    assert min(counts[label] for label in card.split["novel"]) >= QUERIES_AND_SHOTS


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sheet_is_the_file_its_card_describes(name: str) -> None:
    assert hashlib.sha256((DATA / f"{name}.webp").read_bytes()).hexdigest() == _card(name).sha256


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sheet_holds_as_many_images_as_its_card_counts(name: str) -> None:
    assert sum(len(images) for images in _all_splits(name)) == sum(_card(name).counts)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_two_classes_share_an_image(name: str) -> None:
    owners: dict[bytes, set[str]] = {}
    for label, images in _images_by_class(name).items():
        for image in images:
            owners.setdefault(image, set()).add(label)
    assert [sorted(classes) for classes in owners.values() if len(classes) > 1] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_no_image_has_a_single_colour(name: str) -> None:
    blank = [label for label, images in _images_by_class(name).items() if any(len(set(image)) == 1 for image in images)]
    assert blank == []


def test_the_photos_card_pins_the_pixels_of_a_sheet_that_is_not_shipped() -> None:
    parts = _card("photos").parts
    assert parts is not None
    assert parts["shipped"] is False
    assert len(parts["pixels_sha256"]) == 64


def test_a_truncated_sheet_is_refused(tmp_path: Path) -> None:
    shutil.copy(DATA / "digits.json", tmp_path)
    (tmp_path / "digits.webp").write_bytes((DATA / "digits.webp").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"^The sheet .* does not match the hash in its card\. Reinstall .*\.$"):
        open_sheet(tmp_path, "digits", "novel")


def test_a_missing_sheet_is_refused(tmp_path: Path) -> None:
    shutil.copy(DATA / "digits.json", tmp_path)
    with pytest.raises(DataError, match=r"^The sheet .* cannot be read \(.*\)\. Reinstall freeshot\.$"):
        open_sheet(tmp_path, "digits", "novel")


def test_a_missing_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^The card .* was not found\. Reinstall .*\.$"):
        open_sheet(tmp_path, "digits", "novel")


def test_a_split_without_classes_opens_empty() -> None:
    assert not _card("fashion").split["base"]
    images = open_sheet(DATA, "fashion", "base")
    assert (len(images), images.classes) == (0, ())
    assert images.read([]).shape == (0, 3, 28, 28)


def test_an_unknown_split_is_refused_and_the_splits_are_listed() -> None:
    with pytest.raises(DataError, match=r"^'digits' has no split 'test'\. It has: base, validation, novel\.$"):
        open_sheet(DATA, "digits", "test")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "8"),
        ("size", 0),
        ("size", 10**9),
        ("counts", [2]),
        ("counts", [-1, 2]),
        ("counts", [True, 2]),
        ("classes", [1, 2]),
        ("split", {"novel": ["nobody"]}),
        ("split", ["novel"]),
    ],
)
def test_a_card_with_an_invalid_value_is_refused(tmp_path: Path, field: str, value: object) -> None:
    split = {"base": ["a"], "validation": [], "novel": ["b"]}
    write_sheet(tmp_path, Card("x", "x", 8, ("a", "b"), (2, 2), split, "", "", "", ""), SQUARES)
    card = json.loads((tmp_path / "x.json").read_text())
    (tmp_path / "x.json").write_text(json.dumps(card | {field: value}))
    with pytest.raises(DataError, match=r"^The card .* cannot be read \(.*\)\. Reinstall freeshot to restore it\.$"):
        open_sheet(tmp_path, "x", "novel")


def test_a_card_that_nests_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"^The card .* cannot be read"):
        open_sheet(tmp_path, "x", "novel")


@pytest.mark.parametrize(
    ("content", "why"), [(b"RIFF", "is not a valid image"), (b"", "is not a valid image"), (None, "not have the size")]
)
def test_a_sheet_that_is_not_a_picture_of_the_cards_size_is_refused(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    split = {"base": ["a"], "validation": [], "novel": ["b"]}
    write_sheet(tmp_path, Card("x", "x", 8, ("a", "b"), (2, 2), split, "", "", "", ""), SQUARES)
    if content is None:
        Image.new("RGB", (8, 8)).save(tmp_path / "x.webp")
    else:
        (tmp_path / "x.webp").write_bytes(content)
    card = json.loads((tmp_path / "x.json").read_text())
    card["sha256"] = hashlib.sha256((tmp_path / "x.webp").read_bytes()).hexdigest()
    (tmp_path / "x.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match=why):
        open_sheet(tmp_path, "x", "novel")
