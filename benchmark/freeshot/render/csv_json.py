"""Leaderboards as CSV or JSON, one entry per row and track; JSON also contains pairs and standings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board, TrackColumn
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import all_pairs
from freeshot.leaderboard.secondary_metrics import WIDER, calibration, half_widths
from freeshot.render.format import one_line
from freeshot.stats.intervals import worst_tenth

FIELDS = (
    "suite", "version", "row", "method", "role", "data_free", "tuning_free", "track", "way", "shot", "status", "mean",
    "low", "high", "level", "covers", "worst_tenth", "rank", "seeds", "episodes", "notes", "low_over_seeds",
    "high_over_seeds", "half_with_images", "half_with_classes", "ece", "brier", "black_box", "transductive",
)  # fmt: skip
"""Accuracies are in 0…1; missing values are empty in CSV and null in JSON. `low_over_seeds` and `high_over_seeds` cover
episodes and training seeds; half-widths also cover images, or images and classes; half-widths, `ece` and `brier` are
means over seeds; `black_box`: only logits of the LoRAs were used; `transductive`: queries of an episode are used
jointly."""


def lines(boards: Iterable[Board]) -> list[dict[str, Any]]:
    """List every row on every track it was run on, followed by the numbers that papers report on these tracks."""
    every = []
    for board in boards:
        every += [_line(board, row, t) for row in board.all_rows for t in board.tracks if t.name in row.cells]
        every += _reported(board)
    return every


def as_json(boards: Iterable[Board]) -> str:
    """Write an object with three lists: `cells` (the lines), `pairs` of rows on a track, `standings` of each board."""
    every = list(boards)
    pairs = [(board, pair) for board in every for t in board.tracks for pair in all_pairs(board.rows, t.name)]
    across = [(board, ranked) for board in every if (ranked := standings(board))]
    data = {
        "cells": lines(every),
        "pairs": [_named(board) | _plain(asdict(pair)) for board, pair in pairs],
        "standings": [_named(board) | _plain(asdict(ranked)) for board, ranked in across],
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def as_csv(boards: Iterable[Board]) -> str:
    """Write the lines as CSV; texts that a spreadsheet would evaluate as formulas are escaped."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for line in lines(boards):
        writer.writerow({key: inert(value) for key, value in line.items()})
    return out.getvalue()


def _reported(board: Board) -> list[dict[str, Any]]:
    """List reported numbers with status 'reported' and the source as a note; the other fields are None."""
    sizes = {track.name: track for track in board.tracks}
    return [
        dict.fromkeys(FIELDS)
        | _named(board)
        | {
            "row": one_line(number.method),
            "track": one_line(number.track),
            "way": sizes[number.track].way,
            "shot": sizes[number.track].shot,
            "status": "reported",
            "mean": number.mean,
            "low": None if number.half_width is None else number.mean - number.half_width,
            "high": None if number.half_width is None else number.mean + number.half_width,
            "notes": one_line(number.source),
        }
        for number in board.published
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_plain, value)]
    return one_line(value) if isinstance(value, str) else value


def _named(board: Board) -> dict[str, Any]:
    return {"suite": one_line(board.suite), "version": board.version}


def _line(board: Board, row: Entry, track: TrackColumn) -> dict[str, Any]:
    cell, accuracies = row.cells[track.name], row.averages.get(track.name)
    widths, (ece, brier) = half_widths(row, track.name), calibration(row, [track.name])
    fields = {
        "row": one_line(row.label),
        "method": one_line(row.method),
        "role": one_line(row.tags.role),
        "data_free": row.tags.data_free,
        "tuning_free": row.tags.tuning_free,
        "track": one_line(track.name),
        "way": track.way,
        "shot": track.shot,
        "status": cell.status,
        "worst_tenth": None if accuracies is None else worst_tenth(accuracies),
        "rank": cell.rank,
        "seeds": cell.seeds,
        "episodes": None if accuracies is None else len(accuracies),
        "notes": " ".join(map(one_line, cell.notes)),
        "low_over_seeds": cell.over_seeds.low if cell.over_seeds else None,
        "high_over_seeds": cell.over_seeds.high if cell.over_seeds else None,
        "half_with_images": widths.get(WIDER[1]),
        "half_with_classes": widths.get(WIDER[2]),
        "ece": ece,
        "brier": brier,
        "black_box": row.tags.black_box,
        "transductive": row.tags.transductive,
    }
    interval = asdict(cell.interval) if cell.interval else {}  # mean, low, high, level, covers
    return dict.fromkeys(FIELDS) | _named(board) | fields | interval


def inert(value: Any) -> Any:
    """Return a CSV value that no spreadsheet evaluates as a formula."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" and value else value
