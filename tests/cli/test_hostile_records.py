"""Control characters in third-party records never reach the terminal, for any verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.conftest import make_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

HOSTILE = "\x1b[2J\x07evil\r\u202e [bold]x[/bold]"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Write records whose every name is hostile, and one file with a hostile key."""
    for method in ("a", "b"):
        for seed in (0, 1):
            record = make_record(
                f"{method}{HOSTILE}", f"near/{HOSTILE}/5w1s", suite=HOSTILE, seed=seed,
                options={HOSTILE: HOSTILE + method}, phase=2 * (method == "a"), device=HOSTILE, finished=HOSTILE,
                origin=f"{HOSTILE} {seed}",
            )  # fmt: skip
            record.write(tmp_path / f"{method}{seed}.json")
    failed = make_record(f"c{HOSTILE}", f"near/{HOSTILE}/5w1s", suite=HOSTILE, status="failed", reason=HOSTILE)
    failed.write(tmp_path / "c.json")
    (tmp_path / "x\x1b[2J.json").write_text('{"\\u001b[2J": 1}')
    return str(tmp_path)


@pytest.mark.parametrize(
    "verb",
    [
        ("leaderboard",), ("leaderboard", "--all"), ("leaderboard", "--check"),
        ("leaderboard", "--format", "markdown"), ("results", "check"),
        ("results", "pack", "d", "--out", "nowhere"), ("results", "pack", f"a{HOSTILE}", "--out", "nowhere"),
        ("compare", f"a{HOSTILE}", f"b{HOSTILE}"), ("compare", "a", "z", "--suite", HOSTILE), ("compare", "a", "b"),
        ("compare", "a", "b", "--suite", "none"), ("power",), ("power", "--suite", "none"), ("reproduce",),
    ],
    ids=lambda verb: ascii(" ".join(verb)),
)  # fmt: skip
def test_no_verb_prints_control_characters_of_records(call: Call, folder: str, verb: tuple[str, ...]) -> None:
    where = f"{folder}/a0.json" if verb == ("reproduce",) else folder
    result = call(*verb, where, plugins="")
    assert result.exit_code in (0, 1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.output
    assert result.output.replace("\n", "").isprintable()
