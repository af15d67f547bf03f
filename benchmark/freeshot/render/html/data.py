"""The data of a board for the HTML page, as plain JSON values: numbers to draw and sort by, and texts as shown.

Everything is decided here; the page's script only draws, sorts and filters. Texts of records are put on one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from freeshot.basics.text import counted
from freeshot.leaderboard.across_tracks import Standings, standings
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import default_differences
from freeshot.leaderboard.costs import Cost, costs, usual_device
from freeshot.leaderboard.entry import Cell, Entry
from freeshot.leaderboard.pairwise import verdict_intervals
from freeshot.leaderboard.secondary_metrics import difficulty_curves
from freeshot.records.models import Quality, RunRecord
from freeshot.render.format import (
    MARKS,
    column_titles,
    explanation,
    extra,
    one_line,
    p_value,
    settings_of,
    title,
)
from freeshot.render.html.cost_axes import AXES, axis_data, cost_data, cost_facts
from freeshot.render.tables import reported_tables
from freeshot.stats.intervals import Interval, worst_tenth
from freeshot.stats.paired_tests import EQUIVALENT, VERDICTS, superiority, verdict

BINS = 25
"""Number of bins in the histogram of episodes by accuracy."""

Plain = dict[str, Any]
Facts = list[tuple[str, str]]
"""Terms with their texts."""


def board_data(board: Board) -> Plain:
    """Return all data of a board."""
    rows, every = board.all_rows, costs(board)
    device = usual_device(every)
    of_row = {row.label: [cost for cost in every if cost.label == row.label] for row in rows}
    main = {label: max(own, key=lambda cost: cost.records) for label, own in of_row.items() if own}
    tracks = [track for tracks in board.sections.values() for track in tracks]
    tags = {row.label: _tags(row) for row in rows}
    # tags of all rows are shown once, above the table
    common = [tag for tag in tags[rows[0].label][:2] if all(tag in own for own in tags.values())] if rows[1:] else []
    return {
        "title": title(board),
        "suite": one_line(board.suite),
        "device": one_line(device or ""),
        "version": board.version,
        "reading": list(explanation(board)),
        "problems": [one_line(problem) for problem in board.problems],
        "columns": column_titles(board),
        "common": common,
        "tracks": [
            {
                "name": one_line(t.name),
                "section": one_line(t.section),
                "title": [one_line(part) for part in t.title if part],
                "shot": f"{t.shot}-shot",
            }
            for t in tracks
        ],
        "axes": [axis_data(axis, main.values()) for axis in AXES],
        "rows": [
            _row(row, board, of_row[row.label])
            | {"cost": cost_data(main[row.label], device) if row.label in main else None}
            | {"tags": [tag for tag in tags[row.label] if tag not in common]}
            for row in rows
        ],
        "pair": _default_pair(board),
        "equivalent": EQUIVALENT,
        "pairs": _pairs(rows, [t.name for t in tracks]),
        "standings": _standings(ranked, rows) if (ranked := standings(board)) else None,
        "difficulty": [
            {
                "track": one_line(curves.track),
                "reference": [row.label for row in rows].index(curves.reference),
                "odds": [round(value, 4) for value in curves.log_odds],
                "curves": [
                    [i, [round(value, 4) for value in curves.accuracies[row.label]]]
                    for i, row in enumerate(rows)
                    if row.label in curves.accuracies
                ],
            }
            for curves in difficulty_curves(board)
        ],
        "published": [
            {
                "section": one_line(section),
                "heads": [one_line(head) for head in table.titles],
                "lines": [[cell.text for cell in line] for line in table.lines],
            }
            for section, table in reported_tables(board, digits=2).items()
        ],
        "sheets": [],
    }


def _tags(row: Entry) -> list[str]:
    tags = [row.tags.data_free, "tuning-free" if row.tags.tuning_free else "tuned"]
    tags += [one_line(row.tags.role)] if row.is_control else []
    return [*tags, "transductive"] if row.tags.transductive else tags


def _row(row: Entry, board: Board, prices: Sequence[Cost]) -> Plain:
    settings = settings_of(row)
    free, tuning = _tags(row)[:2]
    pool = "black box" if row.tags.black_box else "open pool"
    queries = "transductive" if row.tags.transductive else "inductive"
    role, made = one_line(row.tags.role), one_line(row.made_with)
    return {
        "label": one_line(row.label),
        "short": one_line(row.short_label),
        "name": one_line(row.method if settings else row.short_label),
        "settings": one_line(settings.replace(", ", " · ")),
        "search": " ".join((one_line(row.label), made, role, free, tuning, pool, queries)).lower(),
        "role": "controls" if row.is_control else "methods",
        "control": row.is_control,
        "free": free,
        "tuning": tuning,
        "pool": pool,
        "queries": queries,
        "rank": row.average_rank,
        "extras": [extra(value) for value in row.extras],
        "facts": [
            ("properties", ", ".join([role, free, tuning, *(tag for tag in (pool, queries) if tag in NOTABLE)])),
            ("made with", made),
            ("average rank", f"{row.average_rank:.2f} over all tracks" if row.average_rank is not None else ""),
            *zip(column_titles(board), map(extra, row.extras), strict=True),
            *(fact for cost in prices for fact in cost_facts(cost)),
            *(("made by", text) for text in _origins(row.records)),
        ],
        "cells": {one_line(track): _cell(row, track, cell) for track, cell in sorted(row.cells.items())},
    }


NOTABLE = ("black box", "transductive")
"""Tags that are listed among a row's properties only if they apply."""


def _cell(row: Entry, track: str, cell: Cell) -> Plain:
    records = row.by_track[track]
    notes = " ".join(map(one_line, cell.notes))
    made_from = "; ".join(f"{r.cell[:12]}, seed {r.spec.seed}, {one_line(r.provenance.finished[:10])}" for r in records)
    facts = [("notes", notes), ("made with", one_line(row.made_with)), ("records", made_from)]
    if cell.interval is None:
        mark = MARKS[cell.status]
        return {"mean": None, "mark": mark, "text": f"{mark}: {notes}", "facts": [("status", mark), *facts]}
    accuracies, interval = row.averages[track], cell.interval
    rank = f", rank {cell.rank}" if cell.rank else ""
    seeds = f" and {cell.seeds} seeds" if cell.seeds > 1 else ""
    accuracy: Facts = [
        ("accuracy", f"{_points(interval.mean)} %" + (f"{rank} on this track" if rank else ", not ranked")),
        ("95 % interval", f"{_bounds(interval)} over {len(accuracies)} episodes{seeds}"),
        ("over seeds too", f"{_bounds(cell.over_seeds)} over episodes and training seeds" if cell.over_seeds else ""),
        *_wider_intervals(records),
        ("worst tenth", f"{_points(worst_tenth(accuracies))} %, mean of the episodes with the lowest accuracy"),
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
        "quality": [_quality(r.quality, _seed(r, records)) for r in records if r.quality],
    }


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


def _seed(record: RunRecord, records: Sequence[RunRecord]) -> str:
    return f", seed {record.spec.seed}" if len(records) > 1 else ""


def _quality(quality: Quality, seed: str) -> Plain:
    """Return calibration and the recall of each class, the hardest class first."""
    return {
        "title": f"Calibration and classes{seed}",
        "facts": [
            ("expected calibration error", f"{_points(quality.ece)} %, in 15 bins"),
            ("Brier score", f"{quality.brier:.3f}, 0 is perfect"),
        ],
        "recall": sorted(([one_line(n), round(r, 4)] for n, r in quality.recall.items()), key=lambda pair: pair[1]),
    }


def _origins(records: Sequence[RunRecord]) -> list[str]:
    """List the distinct software and hardware of a row's records, each with its number of records."""
    counts: Counter[str] = Counter()
    for record in records:
        made = record.provenance
        dirty = " with uncommitted changes" if made.git_dirty else ""
        commit = f", commit {made.git_commit[:10]}{dirty}" if made.git_commit else dirty
        packages = ", ".join(f"{name} {version}" for name, version in sorted(made.packages.items()))
        provider = record.spec.method.origin or "unknown provider"
        origin = (
            f"{provider}; FreeShot {made.freeshot}{commit}; Python {made.python}{', ' * bool(packages)}{packages}; "
            f"{made.platform}, {made.device}, threads {made.threads}"
        )
        counts[one_line(origin)] += 1
    return [f"{origin} ({counted(count, 'record')})" for origin, count in sorted(counts.items())]


def _default_pair(board: Board) -> list[int]:
    """Return the indices of the rows to compare first: those of the suite's pair, else the first two."""
    labels = [row.label for row in board.all_rows]
    if pairs := default_differences(board):
        return [labels.index(pairs[0].first), labels.index(pairs[0].second)]
    return [0, min(1, len(labels) - 1)] if labels else []


def _pairs(rows: Sequence[Entry], tracks: Sequence[str]) -> dict[str, list[list[Any] | None]]:
    """Compare all rows: 'i j' → for each track mean, low, high, verdict, share of episodes won, whether over seeds."""
    pairs: dict[str, list[list[Any] | None]] = {}
    for index, track in enumerate(tracks):
        present = [(number, row) for number, row in enumerate(rows) if track in row.averages]
        combined = list(combinations(range(len(present)), 2))
        intervals = verdict_intervals([row for _, row in present], track, combined)
        for (a, b), interval in zip(combined, intervals, strict=True):
            (i, first), (j, second) = present[a], present[b]
            numbers = [round(value, 6) for value in (interval.mean, interval.low, interval.high)]
            won = round(superiority(first.averages[track] - second.averages[track]), 4)
            of_pair = pairs.setdefault(f"{i} {j}", [None] * len(tracks))
            of_pair[index] = [*numbers, verdict(interval), won, "seeds" in interval.covers]
    return pairs


def _standings(ranked: Standings, rows: Sequence[Entry]) -> Plain:
    labels = [row.label for row in rows]
    count = len(ranked.rows)
    return {
        "rows": [labels.index(label) for label in ranked.rows],
        "note": f"Average ranks over {counted(len(ranked.tracks), 'track')} by the mean alone, the "
        "best on top; the table above lets rows share a rank instead. A bar joins rows without a significant "
        "difference (Wilcoxon's signed ranks with Holm's adjustment, p ≥ 0.05). Friedman's test that all rows have "
        f"equal expected ranks: p {p_value(ranked.friedman)}.",
        "cautions": [one_line(text) for text in ranked.cautions],
        "ranks": [round(rank, 4) for rank in ranked.average_ranks],
        "texts": [
            f"{one_line(label)}: average rank {rank:.2f}, middle half of the tracks {_points(middle)} %"
            for label, rank, middle in zip(ranked.rows, ranked.average_ranks, ranked.interquartile_means, strict=True)
        ],
        "cliques": [list(clique) for clique in ranked.cliques],
        "wins": [[None if i == j else _win(ranked, i, j) for j in range(count)] for i in range(count)],
    }


def _win(ranked: Standings, i: int, j: int) -> Plain:
    share, counts = ranked.wins[i][j], ranked.verdicts[i][j]
    verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    return {
        "share": f"{100 * share.mean:.0f} %",
        "counts": "/".join(str(counts[name]) for name in VERDICTS),
        "mostly": share.low > 0.5,
        "text": f"wins {100 * share.mean:.0f} % of tracks, interval {100 * share.low:.0f} … {100 * share.high:.0f} %; "
        f"verdicts: {verdicts}; adjusted p {p_value(ranked.adjusted[i][j])}",
    }


def _points(share: float) -> str:
    return f"{100 * share:.2f}"


def _bounds(interval: Interval) -> str:
    return f"{_points(interval.low)} … {_points(interval.high)}"
