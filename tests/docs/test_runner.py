"""The runner of pages: the effect of comments before a block, and the part of an output that is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import BLOCK, DOCS, commands, notes, run_page, shorten

PIPE = re.compile(r"\| *(tail|head|sed|grep|wc)\b|\|\| *true|2>")
"""Pipes that readers would copy although only tests need them; comments do the same invisibly."""
LINES = ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("first 2", ["one", "two", "…"]),
        ("last 1", ["…", "five"]),
        ("first 1, last 2", ["one", "…", "four", "five"]),
        ("match ^t", ["…", "two", "three", "…"]),
        ("match o, e", ["…"]),
        ("after ^t", ["…", "three", "four", "five"]),
        ("first 9", LINES),
    ],
)
def test_omitted_lines_become_an_ellipsis(note: str, shown: list[str]) -> None:
    assert shorten(LINES, [note]) == shown


def test_without_a_note_all_lines_are_shown() -> None:
    assert shorten(LINES, []) == LINES


def test_a_command_continues_after_a_backslash() -> None:
    assert commands("$ one \\\n    --two\noutput\n$ three\n") == ["one \\\n    --two", "three"]


def test_a_note_with_a_number_is_about_that_command() -> None:
    text = "<!-- docs: 2: first 1 -->\n<!-- docs: last 3 -->\n"
    assert notes(text, "first ", "last ", number=1, whole=True) == ["last 3"]
    assert notes(text, "first ", "last ", number=2, whole=True) == ["first 1", "last 3"]


def page(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "page.md"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_block_keeps_its_notes_and_gets_its_output(tmp_path: Path) -> None:
    text = "<!-- docs: before echo b > a -->\n<!-- docs: last 1 -->\n```console\n$ seq 3; cat a\nold\n```\n"
    (ran,) = run_page(page(tmp_path, text), tmp_path)
    assert not ran.failed
    assert ran.new == text.replace("old", "…\nb").removesuffix("\n")


def test_an_error_must_be_announced(tmp_path: Path) -> None:
    (ran,) = run_page(page(tmp_path, "```console\n$ echo why; false\n```\n"), tmp_path)
    assert "why" in ran.failed
    (ran,) = run_page(page(tmp_path, "<!-- docs: fails -->\n```console\n$ false\n```\n"), tmp_path)
    assert not ran.failed
    (ran,) = run_page(page(tmp_path, "<!-- docs: fails -->\n```console\n$ true\n```\n"), tmp_path)
    assert ran.failed


def test_commands_hide_nothing_of_their_output_in_a_pipe() -> None:
    for file in DOCS.rglob("*.md"):
        for block in BLOCK.finditer(file.read_text(encoding="utf-8")):
            for command in commands(block["body"]) if block["language"] == "console" else []:
                assert not PIPE.search(command), f"{file}: {command}"
