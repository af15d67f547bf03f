"""The rules on names that decide which images the pre-training corpus may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from freeshot_vision.sheets import Card
from makers.pocket_data.class_synonyms import with_kinds
from makers.pocket_data.concept_names import mentions_any, normalise, normalised
from makers.pocket_data.corpus import excluded_concepts, pack4, unpack4
from makers.pocket_data.split_classes import split_classes
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("home-outline", "home"),
        ("House_20_filled", "home"),
        ("aeroplane", "airplane"),
        ("Airplanes", "airplane"),
        ("light-bulb", "bulb"),
        ("outline", "outline"),
        ("berries", "berry"),
        ("glasses", "glasses"),
        ("arrow-left", "arrow left"),
        ("24", ""),
    ],
)
def test_a_name_is_reduced_to_its_concept(name: str, concept: str) -> None:
    assert normalise(name) == concept


@pytest.mark.parametrize("name", ["house", "The Mona Lisa", "string bean", "shopping carts", "user-account"])
def test_normalising_twice_changes_nothing(name: str) -> None:
    assert normalise(normalise(name)) == normalise(name)


@pytest.mark.parametrize(
    ("name", "excluded"),
    [
        ("home-lock-outline", "house"),
        ("paper-plane", "send"),
        ("cats", "cat"),
        ("snowman-2", "snow man"),
        ("big-string-bean", "string bean"),
    ],
)
def test_a_mention_is_detected_in_any_spelling(name: str, excluded: str) -> None:
    assert mentions_any(name, normalised([excluded]))


@pytest.mark.parametrize(("name", "excluded"), [("category", "cat"), ("bean-string", "string bean"), ("carpet", "car")])
def test_parts_of_words_and_other_orders_are_not_a_mention(name: str, excluded: str) -> None:
    assert not mentions_any(name, normalised([excluded]))


def test_the_split_depends_on_names_and_seed_alone() -> None:
    names = [f"class {index}" for index in range(20)]
    split = split_classes(names, "seed", base=10, validation=4)
    assert split == split_classes(names[::-1], "seed", base=10, validation=4)
    assert split != split_classes(names, "other", base=10, validation=4)
    assert [len(part) for part in split.values()] == [10, 4, 6]
    assert sorted(name for part in split.values() for name in part) == sorted(names)


def test_packing_sixteen_levels_loses_nothing() -> None:
    cells = np.random.default_rng(0).integers(0, 16, (3, 28, 28, 3)).astype(np.uint8) * 17
    assert np.array_equal(unpack4(pack4(cells), (28, 28, 3)), cells)


def test_excluded_are_validation_and_novel_classes_and_all_icons(tmp_path: Path) -> None:
    for name in ("icons", "sketch"):
        classes = tuple(f"{name} {part}" for part in ("base", "validation", "novel"))
        split = dict(zip(("base", "validation", "novel"), ([c] for c in classes), strict=True))
        card = Card(name, name, 28, classes, (1, 1, 1), split, "", "", "", "")
        write_sheet(tmp_path, card, {c: np.zeros((1, 28, 28), dtype=np.uint8) for c in classes})
    names = excluded_concepts(tmp_path)
    assert "icons base" in names
    assert "sketch novel" in names
    assert "sketch base" not in names
    assert "deer" in names


def test_kinds_add_words_and_remove_none() -> None:
    assert set(with_kinds(["citrus fruit", "deer"])) >= {"citrus fruit", "deer", "lemon"}
