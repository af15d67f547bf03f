"""Whatever strangers write into records, no verb passes anything on that steers a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.leaderboard.conftest import make_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

NASTY = "\x1b[2J\x07evil\r\u202e [bold]x[/bold]"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Write records whose every name is nasty, and one file whose key is."""
    for method in ("a", "b"):
        for seed in (0, 1):
            record = make_record(
                f"{method}{NASTY}", f"near/{NASTY}/5w1s", suite=NASTY, seed=seed, options={NASTY: NASTY + method},
                phase=2 * (method == "a"), device=NASTY, finished=NASTY, origin=f"{NASTY} {seed}",
            )  # fmt: skip
            record.write(tmp_path / f"{method}{seed}.json")
    failed = make_record(f"c{NASTY}", f"near/{NASTY}/5w1s", suite=NASTY, status="failed", reason=NASTY)
    failed.write(tmp_path / "c.json")
    (tmp_path / "x\x1b[2J.json").write_text('{"\\u001b[2J": 1}')
    return str(tmp_path)


@pytest.mark.parametrize(
    "verb",
    [
        ("leaderboard",), ("leaderboard", "--all"), ("leaderboard", "--check"),
        ("leaderboard", "--format", "markdown"), ("results", "check"),
        ("results", "pack", "d", "--out", "nowhere"), ("results", "pack", f"a{NASTY}", "--out", "nowhere"),
        ("compare", f"a{NASTY}", f"b{NASTY}"), ("compare", "a", "z", "--suite", NASTY), ("compare", "a", "b"),
        ("compare", "a", "b", "--suite", "none"), ("power",), ("power", "--suite", "none"), ("reproduce",),
    ],
    ids=lambda verb: ascii(" ".join(verb)),
)  # fmt: skip
def test_no_verb_passes_on_what_steers_a_terminal(call: Call, folder: str, verb: tuple[str, ...]) -> None:
    where = f"{folder}/a0.json" if verb == ("reproduce",) else folder
    result = call(*verb, where, plugins="")
    assert result.exit_code in (0, 1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.output
    assert result.output.replace("\n", "").isprintable()
