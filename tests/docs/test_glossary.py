"""The glossary has the words that records, leaderboards and the command line use."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from tests.docs.pages import DOCS

from freeshot.leaderboard.entry import CONTROLS
from freeshot.plugin.kinds import KINDS
from freeshot.records.models import DataFree, Status
from freeshot.stats.paired_tests import Verdict

GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
TERMS = {term.lower() for line in re.findall(r"^(\S.*)\n:   ", GLOSSARY, re.MULTILINE) for term in line.split(", ")}
EVERYDAY = {"dataset"}
"""Kinds that need no explanation."""


@pytest.mark.parametrize("word", sorted({*get_args(DataFree), *CONTROLS, *KINDS} - EVERYDAY))
def test_a_tag_role_or_kind_is_a_term(word: str) -> None:
    assert word in TERMS or f"efficiency {word}" in TERMS


@pytest.mark.parametrize("word", sorted({*get_args(Status), *get_args(Verdict)}))
def test_a_status_or_verdict_is_explained(word: str) -> None:
    assert f"*{word}*" in GLOSSARY


def test_terms_have_one_entry() -> None:
    lines = re.findall(r"^(\S.*)\n:   ", GLOSSARY, re.MULTILINE)
    assert len(lines) == len({line.lower() for line in lines})
