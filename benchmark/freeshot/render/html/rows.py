"""A row and its cells for the HTML page."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from freeshot.basics.text import counted
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.costs import Cost
from freeshot.leaderboard.entry import Cell, Entry
from freeshot.records.load import age_key
from freeshot.records.models import RunRecord
from freeshot.render.format import MARKS, column_titles, extra, one_line, optional, settings_of
from freeshot.render.html.bibtex import bibtex
from freeshot.render.html.cost_axes import cost_data, cost_facts
from freeshot.render.html.records import Packed, origin_of, path_of
from freeshot.stats.intervals import Interval, worst_tenth

BINS = 25
"""Number of bins in the histogram of episodes by accuracy."""

Plain = dict[str, Any]
Facts = list[tuple[str, str]]
"""Terms with their texts."""


def _tags(row: Entry) -> list[str]:
    """List the tags of a row, those of data and tuning first."""
    tags = [row.tags.data_free, "tuning-free" if row.tags.tuning_free else "tuned"]
    tags += [one_line(row.tags.role)] if row.is_control else []
    tags += ["black box"] if row.tags.black_box else []
    return [*tags, "transductive"] if row.tags.transductive else tags


def row_data(
    row: Entry, board: Board, prices: Sequence[Cost], device: str | None, packed: Packed, folder: str
) -> Plain:
    """Return a row; `device` is the one that most rows of the board were run on."""
    settings = settings_of(row)
    free, tuning = _tags(row)[:2]
    pool = "black box" if row.tags.black_box else "open pool"
    queries = "transductive" if row.tags.transductive else "inductive"
    made, spec = one_line(row.made_with), _newest(row).spec
    main = max(prices, key=lambda cost: cost.records, default=None)
    card = board.describe("method", row.method)
    cells = {one_line(track): _cell(row, track, cell, packed, folder) for track, cell in sorted(row.cells.items())}
    return {
        "label": one_line(row.label),
        "short": one_line(row.short_label),
        "name": one_line(row.method if settings else row.short_label),
        "settings": one_line(settings.replace(", ", " · ")),
        "search": " ".join((one_line(row.label), made, one_line(row.tags.role), free, tuning, pool, queries)).lower(),
        "class": row.row_class,
        "control": row.is_control,
        "free": free,
        "pool": pool,
        "queries": queries,
        "tags": _tags(row),
        "rank": row.average_rank,
        "average": optional(row.average_rank, ".2f"),
        "extras": [extra(value) for value in row.extras],
        "card": one_line(f"method {row.method}"),
        "record": packed.index[_newest(row).cell],
        "provider": one_line(spec.method.origin or "unknown provider"),
        "bibtex": bibtex(row.method, card.citation, card.paper_url) if card else "",
        "facts": [
            ("average rank", f"{row.average_rank:.2f} over all tracks" if row.average_rank is not None else ""),
            *zip(column_titles(board), map(extra, row.extras), strict=True),
            *(fact for cost in prices for fact in cost_facts(cost)),
            *(("made by", text) for text in _origins(row.records)),
        ],
        "cost": cost_data(main, device) if main else None,
        "costs": {one_line(cost.device): cost_data(cost, device)["values"] for cost in prices},
        "cells": cells,
    }


def _newest(row: Entry) -> RunRecord:
    return max(row.records, key=age_key)


def _cell(row: Entry, track: str, cell: Cell, packed: Packed, folder: str) -> Plain:
    records = row.by_track[track]
    notes = " ".join(map(one_line, cell.notes))
    indices = [packed.index[record.cell] for record in records]
    paths = [path for record in records if (path := path_of(record))]
    shown = {"records": indices, "commands": [shlex.join(["freeshot", "reproduce", f"{folder}/{p}"]) for p in paths]}
    facts: Facts = [("notes", notes), ("seconds", _seconds(records))]
    if cell.interval is None:
        mark = MARKS[cell.status]
        return {"mean": None, "mark": mark, "text": f"{mark}: {notes}", "facts": [("status", mark), *facts], **shown}
    accuracies, interval = row.averages[track], cell.interval
    rank = f", rank {cell.rank}" if cell.rank else ""
    seeds = f" and {cell.seeds} seeds" if cell.seeds > 1 else ""
    accuracy: Facts = [
        ("accuracy", f"{_points(interval.mean)} %" + (f"{rank} on this track" if rank else ", not ranked")),
        ("95 % interval", f"{_bounds(interval)} over {len(accuracies)} episodes{seeds}"),
        ("over seeds too", f"{_bounds(cell.over_seeds)} over episodes and training seeds" if cell.over_seeds else ""),
        *_wider_intervals(records),
        ("in words", _in_words(cell, len(accuracies))),
        ("worst tenth", f"{_points(worst_tenth(accuracies))} %"),
        *_calibration(records),
    ]
    return {
        "mean": round(interval.mean, 6),
        "low": round(interval.low, 6),
        "high": round(interval.high, 6),
        "rank": cell.rank,
        "star": bool(notes),
        "text": f"{_points(interval.mean)} %, 95 % interval {_bounds(interval)}{rank}{'. ' if notes else ''}{notes}",
        "facts": [*accuracy, *facts],
        "histogram": np.histogram(accuracies, BINS, (0, 1))[0].tolist(),
        **shown,
    }


def _in_words(cell: Cell, episodes: int) -> str:
    """Say what the interval covers: which repetition of the experiment would give a mean within it."""
    assert cell.interval is not None
    half = 100 * (cell.interval.high - cell.interval.low) / 2
    over_episodes = f"With {episodes} other episodes of the same images the mean would move by about ±{half:.2f} points"
    if cell.over_seeds is None:
        return f"{over_episodes}; other training seeds are not covered."
    both = 100 * (cell.over_seeds.high - cell.over_seeds.low) / 2
    return f"{over_episodes}; with other training seeds too, by about ±{both:.2f}."


def _wider_intervals(records: Sequence[RunRecord]) -> Facts:
    """Describe further intervals around the same mean, which cover other sources of randomness than episodes."""
    return [
        (
            f"over {one_line(s.covers)}",
            f"{_points(s.low)} … {_points(s.high)}, {100 * s.level:.0f} %{_seed(r, records)}",
        )
        for r in records
        for s in r.wider_intervals
    ]


def _calibration(records: Sequence[RunRecord]) -> Facts:
    facts = []
    for r in records:
        if r.quality:
            error = f"expected calibration error {_points(r.quality.ece)} %"
            facts.append(("calibration", f"{error}; Brier score {r.quality.brier:.3f}{_seed(r, records)}"))
    return facts


def _seconds(records: Sequence[RunRecord]) -> str:
    """Add up the seconds of the finished records' stages, by stage."""
    stages: dict[str, float] = defaultdict(float)
    for record in records:
        for stage in record.stages:
            stages[one_line(stage.stage)] += stage.seconds
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages.items())


def _seed(record: RunRecord, records: Sequence[RunRecord]) -> str:
    return f", seed {record.spec.seed}" if len(records) > 1 else ""


def _origins(records: Sequence[RunRecord]) -> list[str]:
    """List the distinct software and hardware of a row's records, each with its number of records."""
    counts = Counter(map(origin_of, records))
    return [f"{origin} ({counted(count, 'record')})" for origin, count in sorted(counts.items())]


def _points(share: float) -> str:
    return f"{100 * share:.2f}"


def _bounds(interval: Interval) -> str:
    return f"{_points(interval.low)} … {_points(interval.high)}"
