"""Leaderboards as CSV or JSON, one entry per row and track; JSON also contains pairs and standings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.pairs import all_pairs
from freeshot.leaderboard.secondary_metrics import WIDER, half_widths
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
    return [line for board in boards for line in (*_measured(board), *_reported(board))]


def as_json(boards: Iterable[Board]) -> str:
    """Write an object with three lists: `cells` (the lines), `pairs` of rows on a track, `standings` of each board."""
    found = list(boards)
    whole = {
        "cells": lines(found),
        "pairs": [_named(board) | _plain(asdict(pair)) for board in found for pair in all_pairs(board)],
        "standings": [_named(board) | _plain(asdict(stood)) for board in found if (stood := standings(board))],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def as_csv(boards: Iterable[Board]) -> str:
    """Write the lines as CSV; texts that a spreadsheet would evaluate as formulas are escaped."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for line in lines(boards):
        writer.writerow({key: _inert(value) for key, value in line.items()})
    return out.getvalue()


def _measured(board: Board) -> list[dict[str, Any]]:
    return [
        _line(board, row, track)
        for row in (*board.rows, *board.controls)
        for track in (t.name for t in board.tracks)
        if track in row.cells
    ]


def _reported(board: Board) -> list[dict[str, Any]]:
    """List reported numbers with status 'reported' and the source as a note; the other fields are None."""
    sizes = {track.name: track for track in board.tracks}
    found = []
    for one in board.published:
        half = one.half_width
        known = {
            "suite": one_line(board.suite),
            "version": board.version,
            "row": one_line(one.method),
            "track": one_line(one.track),
            "way": sizes[one.track].way,
            "shot": sizes[one.track].shot,
            "status": "reported",
            "mean": one.mean,
            "low": None if half is None else one.mean - half,
            "high": None if half is None else one.mean + half,
            "notes": one_line(one.source),
        }
        found.append(dict.fromkeys(FIELDS) | known)
    return found


def _plain(value: Any) -> Any:
    """Convert every text within a value to one line."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_plain, value)]
    return one_line(value) if isinstance(value, str) else value


def _named(board: Board) -> dict[str, Any]:
    return {"suite": one_line(board.suite), "version": board.version}


def _line(board: Board, row: Row, track: str) -> dict[str, Any]:
    cell = row.cells[track]
    size = next(t for t in board.tracks if t.name == track)
    interval = cell.interval
    scores = row.line.scores.get(track)
    values = (
        one_line(board.suite), board.version, one_line(row.label), one_line(row.line.method), one_line(row.line.role),
        row.line.data_free, row.line.tuning_free, one_line(track), size.way, size.shot, cell.status,
        *((interval.mean, interval.low, interval.high, interval.level, interval.covers) if interval else (None,) * 5),
        worst_tenth(scores) if scores else None, cell.rank, cell.seeds, len(scores) if scores else None,
        " ".join(map(one_line, cell.notes)),
        *((wider.low, wider.high) if (wider := cell.over_seeds) else (None, None)),
        *map(half_widths(row, track).get, WIDER[1:]), *_calibration(row, track), row.line.black_box,
        row.line.transductive,
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def _calibration(row: Row, track: str) -> tuple[float | None, float | None]:
    judged = [record.quality for record in row.line.finished(track)]
    known = [quality for quality in judged if quality is not None]
    if not known or len(known) < len(judged):
        return None, None
    return sum(q.ece for q in known) / len(known), sum(q.brier for q in known) / len(known)


def _inert(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" and value else value
