"""Leaderboards as one HTML page that needs nothing else: no network, no library, light and dark, usable by keyboard.

All data stand in one JSON block, and the page's script writes them as text: what a record says can never become markup.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from freeshot.basics.statistics import worst_tenth
from freeshot.report.board import CONTROLS, Board, Cell, Row
from freeshot.report.costs import costs
from freeshot.report.markdown import GENERATED
from freeshot.report.wording import explanation, one_line, title

BINS = 25
"""Of the histogram of episodes by accuracy."""


def html(boards: Iterable[Board], sheets: Sequence[Path] = ()) -> str:
    """Draw boards as a page; `sheets` are pictures of what was recovered, shown with the first board."""
    found = [_board(board) for board in boards]
    if found:
        found[0]["sheets"] = [_picture(path) for path in sheets]
    data = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    page = files("freeshot.report").joinpath("page.html").read_text(encoding="utf-8")
    return f"{GENERATED}\n" + page.replace("@DATA@", _inert(data))


def _inert(data: str) -> str:
    """Keep a JSON text from ending the script block that it stands in."""
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _board(board: Board) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    for cost in costs(board):
        seconds.setdefault(cost.label, cost.prepare_seconds)
    return {
        "title": title(board),
        "reading": list(explanation(board)),
        "tracks": [
            {"name": one_line(t.name), "title": "\n".join(map(one_line, t.title)), "shot": t.shot} for t in board.tracks
        ],
        "rows": [_row(row, seconds.get(row.label)) for row in (*board.rows, *board.controls)],
        "sheets": [],
    }


def _row(row: Row, seconds: float | None) -> dict[str, Any]:
    line = row.line
    return {
        "label": one_line(row.label),
        "made": one_line(line.made_with),
        "role": one_line(line.role),
        "control": line.role in CONTROLS,
        "free": line.data_free,
        "tuning": "tuning-free" if line.tuning_free else "tuned",
        "rank": row.average_rank,
        "seconds": None if seconds is None else round(seconds, 2),
        "cells": {one_line(track): _cell(row, track, cell) for track, cell in sorted(row.cells.items())},
    }


def _cell(row: Row, track: str, cell: Cell) -> dict[str, Any]:
    records = [r for r in row.line.records if r.spec.track.name == track]
    where = {f"{r.cell[:12]} of {r.provenance.finished[:10]}, {r.provenance.device}" for r in records}
    scores = row.line.scores.get(track)
    numbers: dict[str, Any] = {"mean": None}
    if cell.interval is not None and scores is not None:
        histogram, _ = np.histogram(scores, bins=BINS, range=(0, 1))
        numbers = {
            "mean": round(cell.interval.mean, 6),
            "low": round(cell.interval.low, 6),
            "high": round(cell.interval.high, 6),
            "worst": round(worst_tenth(scores), 6),
            "episodes": len(scores),
            "histogram": histogram.tolist(),
        }
    notes = " ".join(map(one_line, cell.notes))
    fixed = {"status": cell.status, "rank": cell.rank, "seeds": cell.seeds, "notes": notes}
    return fixed | numbers | {"where": one_line("; ".join(sorted(where)))}


def _picture(path: Path) -> dict[str, str]:
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return {"name": one_line(path.stem), "data": f"data:image/png;base64,{encoded}"}
