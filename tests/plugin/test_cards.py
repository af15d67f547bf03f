"""Cards of components: two sentences, sources, help of options, an optional example."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeshot import Example, FewShotDataset, Method
from freeshot.plugin.cards import MOST, card_of, two_sentences
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import Host, PluginInfo, load_plugins
from freeshot_vision.pocket import DATA
from freeshot_vision.pocket.datasets import DATASETS
from freeshot_vision.sheets import open_sheet
from makers.pocket_data.examples import QUERIES, WAY, episode

SIDE = 28


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("One. Two. Three.", "One. Two."),
        ("One line\n    that goes on.\n\n    More, e.g. this. And that.", "One line that goes on. More, e.g. this."),
        ("As in Hu et al. 2025: a method", "As in Hu et al. 2025: a method"),
        ("", ""),
    ],
)
def test_two_sentences_are_taken_from_a_docstring(doc: str, expected: str) -> None:
    assert two_sentences(doc) == expected


@dataclass(frozen=True)
class Shown(FewShotDataset):
    """Squares."""

    name, license = "squares", "CC0"

    def load(self, split: str, root: Path) -> Any:
        """Load nothing."""

    def example(self) -> Example | None:
        """Show two classes."""
        return Example(("a", "b"), b"PNG")


def catalogue_of(dataset: type[FewShotDataset]) -> Catalogue:
    host = Host()
    host.provide(PluginInfo("mine", "mine", "1"), freeshot_datasets=[dataset])
    return Catalogue(host)


def test_a_data_set_has_its_licence_and_its_example() -> None:
    card = card_of(catalogue_of(Shown), "dataset", "squares")
    assert card is not None
    assert (card.summary, card.license, card.example) == ("Squares.", "CC0", Example(("a", "b"), b"PNG"))


def test_a_failing_or_huge_example_removes_only_the_picture() -> None:
    @dataclass(frozen=True)
    class Failing(Shown):
        """Squares."""

        def example(self) -> Example | None:
            """Fail."""
            raise RuntimeError("no file")

    @dataclass(frozen=True)
    class Huge(Shown):
        """Squares."""

        def example(self) -> Example | None:
            """Show too much."""
            return Example(("a",), bytes(MOST + 1))

    failing = catalogue_of(Failing)
    assert getattr(card_of(failing, "dataset", "squares"), "summary", None) == "Squares."
    assert ["no file" in failure.reason for failure in failing.host.failures] == [True]
    assert getattr(card_of(catalogue_of(Huge), "dataset", "squares"), "example", 0) is None


@pytest.mark.parametrize(("kind", "name"), [("method", "none such"), ("no kind", "x"), ("track", "squares")])
def test_an_unknown_component_has_no_card(kind: str, name: str) -> None:
    assert card_of(catalogue_of(Shown), kind, name) is None


def test_every_shipped_component_has_a_card() -> None:
    catalogue = Catalogue(load_plugins())
    for kind in ("method", "inversion", "strategy", "meta-learner", "backbone", "dataset"):
        for name in catalogue.names(kind):
            card = card_of(catalogue, kind, name)
            assert card is not None, name
            assert card.summary, name
            assert all(address.startswith("https://") for address in (card.paper_url, card.code_url) if address)
    assert issubclass(catalogue.component("method", "lora-recycle"), Method)


@pytest.mark.parametrize("dataset", [cls for cls in DATASETS if cls.name != "photos"])
def test_a_shipped_data_set_has_an_example_that_may_be_shown(dataset: type[FewShotDataset]) -> None:
    example = dataset().example()
    assert example is not None
    assert len(example.classes) == WAY
    with Image.open(io.BytesIO(example.picture)) as picture:
        assert picture.size == (WAY * SIDE, (1 + QUERIES) * SIDE)


@pytest.mark.parametrize("name", ["digits", "glyphs"])  # fast to decode
def test_a_shipped_example_is_made_of_novel_classes(name: str) -> None:
    (dataset,) = (cls for cls in DATASETS if cls.name == name)
    example = dataset().example()
    assert example is not None
    classes, pixels = episode(open_sheet(DATA, name, "novel"))
    assert example.classes == classes
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(example.picture)).convert("RGB")), pixels)
