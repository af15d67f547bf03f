"""The tables of the documentation agree with records and plugins, and name every method."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import DOCS
from tests.docs.tables import LISTED, PAGES, RESULTS, catalogue, refreshed

HEADLINES = {
    "averaging the LoRAs beats LoRA Recycle": ("lora-average", "lora-recycle"),
    "FREE is ahead of LoRA Recycle": ("free", "lora-recycle"),
    "LoRA Recycle against no LoRA": ("lora-recycle", "frozen-prototype"),
    "what real images would add": ("real-data", "lora-recycle"),
    "synthesised images against noise": ("lora-recycle", "noise"),
    "full fine-tuning against no LoRA": ("full-finetuning", "frozen-prototype"),
    "a linear probe against class means": ("linear-probe", "frozen-prototype"),
    "learning to combine the LoRAs adds little": ("composition", "lora-average"),
    "tuning a LoRA in each episode": ("lora-finetuning", "frozen-prototype"),
    "methods that synthesise no images": ("dro", "lora-recycle"),
    "TEAPOT": ("teapot", "lora-recycle"),
    "PURER gains cross-domain with five shots": ("purer", "lora-recycle"),
    "inversion of black boxes": ("bidf-mkd", "lora-recycle"),
    "generating a LoRA for each support set": ("icm-lora", "frozen-prototype"),
    "in-context learning from 40 LoRAs": ("caml", "frozen-prototype"),
}
"""Heading of a finding → the comparison whose difference it starts with."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_table_is_that_of_records_and_plugins(page: Path) -> None:
    assert refreshed(page) == page.read_text(encoding="utf-8"), "Write it again with: python -m tests.docs.tables"


def test_every_method_is_listed_once() -> None:
    listed = [row[2] for row in LISTED.finditer((DOCS / "methods" / "index.md").read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(catalogue().names("method"))


@pytest.mark.parametrize("kind", ["method", "inversion", "meta-learner", "strategy"])
def test_every_component_is_described_once(kind: str) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "methods").glob("*.md")]
    described = [
        name for page in pages for name in re.findall(rf"^<!-- component: {kind} (\S+) -->$", page, re.MULTILINE)
    ]
    assert sorted(described) == sorted(catalogue().names(kind))


def test_the_gallery_shows_every_example() -> None:
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r'^--8<-- "docs/examples/(.*)"$', page, re.MULTILINE)
    assert sorted(shown) == sorted(f.relative_to(DOCS / "examples").as_posix() for f in DOCS.glob("examples/*/*.py"))


def test_the_leaderboard_is_published_with_the_site() -> None:
    assert (DOCS / "leaderboard" / "index.html").resolve() == (RESULTS / "leaderboard" / "index.html").resolve()


def test_every_page_is_in_the_navigation(repository: Path) -> None:
    navigation = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if "examples" not in page.parts]
    assert [page for page in pages if f": {page}\n" not in navigation and f"- {page}\n" not in navigation] == []


@pytest.mark.parametrize("headline", HEADLINES)
def test_a_finding_begins_with_the_difference_of_its_comparison(headline: str) -> None:
    page = (DOCS / "findings.md").read_text(encoding="utf-8")
    first, second = HEADLINES[headline]
    difference = re.search(rf"^\| `{first}` \| `{second}` \| (\S+) \|", page, re.MULTILINE)
    assert difference is not None
    assert f"## {difference[1]}: {headline}\n" in page


def test_the_minutes_of_methods_are_those_of_the_leaderboard() -> None:
    page = (RESULTS / "leaderboard" / "pocket.md").read_text(encoding="utf-8")
    costs = page.partition("### Costs of one track")[2]
    rows = re.findall(r"^\| ([a-z-]+) \| ([^|]+) \| [^|]+ \| [^|]+ \| ([\d.]+) \|", costs, re.MULTILINE)
    minutes = {name: float(total) for name, device, total in rows if "NVIDIA" not in device}
    stated = {"full-finetuning": (198, 198), "lorahub": (97, 97), "icm-lora": (39, 39), "caml": (27, 27)}
    stated |= dict.fromkeys(("free", "bidf-mkd", "rec-lora"), (21, 24))
    assert len(minutes) > 20
    for name, total in minutes.items():
        low, high = stated.get(name, (0, 19))
        assert low <= round(total) <= high, name
    text = (DOCS / "performance.md").read_text(encoding="utf-8")
    for name in stated:
        assert f"`{name}`" in text
