"""Fill the tables of a page that compare records with a paper: the page chooses the rows, the records give the numbers.

A table stands between two marks, which name the tracks of one data set, and its rows select rows of a board by method
and settings, as far as they are needed to select a single one:

    <!-- accuracies in-domain/cifar-fs: begin -->
    | `lora-recycle strategy=none` | LoRA Recycle |
    <!-- accuracies in-domain/cifar-fs: end -->

    <!-- differences in-domain/cifar-fs: begin -->
    | `lora-recycle strategy=none` | `frozen-prototype` | LoRA Recycle − NN |
    <!-- differences in-domain/cifar-fs: end -->

The last cell names the row of the paper, or two of them, whose difference is shown; '–' if the paper has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.labels import configuration
from freeshot.leaderboard.pairwise import verdict_intervals
from freeshot.stats.paired_tests import verdict

BLOCK = re.compile(r"(<!-- (accuracies|differences) (\S+): begin -->\n).*?(<!-- \2 \3: end -->)", re.DOTALL)
ACCURACY = re.compile(r"^\| `([^`]+)` \| ([^|`]+) \|.*$", re.MULTILINE)
DIFFERENCE = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| ([^|`]+) \|.*$", re.MULTILINE)
MINUS = " − "


def with_paper_tables(text: str, board: Board) -> str:
    """Return the page with the tables of both kinds filled; KeyError for a row that the board does not have."""
    return BLOCK.sub(lambda block: f"{block[1]}{_TABLES[block[2]](block[0], board, block[3])}\n{block[4]}", text)


def selected(board: Board, selector: str, track: str) -> Entry:
    """Return the only row with this method, these settings and a result on the track; KeyError if there is not one."""
    method, *settings = selector.split()
    rows = [
        row
        for row in board.all_rows
        if row.method == method and track in row.averages and set(settings) <= set(_settings(row, track))
    ]
    if len(rows) != 1:
        raise KeyError(f"{len(rows)} rows of {board.suite} with a result on {track} match '{selector}'; one must")
    return rows[0]


def _settings(row: Entry, track: str) -> list[str]:
    values = configuration(row.finished(track)[0].spec).values
    return [f"{key}={value.strip(chr(34))}" for key, value in values.items()]


def _accuracies(block: str, board: Board, name: str) -> str:
    tracks = _tracks(board, name)
    lines = [_header(["row", "in the paper"], tracks, ["%", "the paper's"])]
    for selector, reported in ACCURACY.findall(block):
        cells = []
        for track in tracks:
            interval = selected(board, selector, track).cells[track].interval
            assert interval is not None
            cells.append(f"{100 * interval.mean:.2f} ± {100 * interval.half_width:.2f}")
            cells.append(_reported(board, track, [reported.strip()], "{:.2f}"))
        lines.append(f"| `{selector}` | {reported.strip()} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _differences(block: str, board: Board, name: str) -> str:
    tracks = _tracks(board, name)
    lines = [_header(["A", "B", "in the paper"], tracks, ["A − B", "the paper's"])]
    for first, second, reported in DIFFERENCE.findall(block):
        cells = []
        for track in tracks:
            rows = [selected(board, selector, track) for selector in (first, second)]
            (interval,) = verdict_intervals(rows, track, [(0, 1)])
            cells.append(
                f"{100 * interval.mean:+.2f} ± {100 * interval.half_width:.2f} {verdict(interval)}".replace("-", "−")
            )
            cells.append(_reported(board, track, reported.strip().split(MINUS), "{:+.2f}"))
        lines.append(f"| `{first}` | `{second}` | {reported.strip()} | {' | '.join(cells)} |")
    return "\n".join(lines)


_TABLES: dict[str, Callable[[str, Board, str], str]] = {"accuracies": _accuracies, "differences": _differences}


def _tracks(board: Board, name: str) -> list[str]:
    return [track.name for track in board.tracks if track.name.rpartition("/")[0] == name]


def _header(first: Sequence[str], tracks: Sequence[str], columns: Sequence[str]) -> str:
    shots = [track.rpartition("/")[2] for track in tracks]
    titles = [*first, *(f"{shot}, {column}" for shot in shots for column in columns)]
    rule = "|---" * len(first) + "|---:" * (len(titles) - len(first)) + "|"
    return f"| {' | '.join(titles)} |\n{rule}"


def _reported(board: Board, track: str, names: Sequence[str], form: str) -> str:
    """Format a paper's number, or the difference of two, in points; '–' if the paper has none."""
    known = {number.method: 100 * number.mean for number in board.published if number.track == track}
    if any(name not in known for name in names):
        return "–"
    first, *rest = (known[name] for name in names)
    return form.format(first - sum(rest)).replace("-", "−")
