"""The data of a board for the HTML page, as plain JSON values; untrusted texts on one line, numbers rounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import CONTROLS, Board, Cell, Row
from freeshot.leaderboard.costs import Cost, costs, usual_device
from freeshot.leaderboard.episode_difficulty import Hardness, hardness
from freeshot.leaderboard.published import published_tables
from freeshot.leaderboard.short_labels import short_labels
from freeshot.leaderboard.verdicts import intervals_over_seeds
from freeshot.leaderboard.versus import DEFAULT_PAIR, versus
from freeshot.records.models import Quality, RunRecord
from freeshot.render.format import ARROWS, explanation, one_line, title
from freeshot.render.html.encoding import encode, unit_of
from freeshot.stats.intervals import critical_t, worst_tenth
from freeshot.stats.paired_tests import EQUIVALENT, VERDICTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 10_000
"""The unit of recall."""
BINS = 25
"""Number of bins in the histogram of episodes by accuracy."""

Plain = dict[str, Any]


@dataclass
class StringTable:
    """Texts repeated in many records, stored once and referenced by index; otherwise a third of the page size."""

    classes: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Names of the classes of a record's recall, sorted."""
    intervals: dict[tuple[str, float], int] = field(default_factory=dict)
    """Coverage of a further interval, and its level."""


def board_data(board: Board, columns: Sequence[Column] = ()) -> Plain:
    """Return all data of a board except the intervals over seeds, which `over_seeds` returns, because they are many."""
    short = short_labels(board)
    found = costs(board)
    rows = [*board.rows, *board.controls]
    said = StringTable()
    shown = [_row(row, short[row.label], [c for c in found if c.label == row.label], said) for row in rows]
    lengths = sorted({len(scores) for row in rows for scores in row.line.scores.values()})
    return {
        "title": title(board),
        "suite": one_line(board.suite),
        "device": one_line(usual_device(found) or ""),
        "version": board.version,
        "reading": list(explanation(board)),
        "problems": [one_line(problem) for problem in board.problems],
        "columns": [one_line(column.title) + ARROWS[column.better] for column in columns],
        "tracks": [
            {
                "name": one_line(t.name),
                "section": one_line(t.section),
                "title": [one_line(part) for part in t.title if part],
                "shot": t.shot,
            }
            for tracks in board.sections.values()
            for t in tracks
        ],
        "rows": shown,
        "classes": [list(names) for names in said.classes],
        "intervals": [list(told) for told in said.intervals],
        "pair": _default_pair(board),
        "bins": BINS,
        "equivalent": EQUIVALENT,
        "critical": {str(n): round(critical_t(n), 6) for n in lengths},
        "standings": _standings(board, rows),
        "over_seeds": {},
        "hardness": [_hardness(one, rows) for one in hardness(board)],
        "published": _published(board),
        "sheets": [],
    }


def over_seeds(board: Board) -> Plain:
    """Return the intervals of first − second over episodes and seeds, for pairs of row indices that share two seeds."""
    found: dict[str, Plain] = defaultdict(dict)
    rows = [*board.rows, *board.controls]
    pairs = list(combinations(range(len(rows)), 2))
    for track in sorted({name for row in rows for name in row.line.runs}):
        for (i, j), told in zip(pairs, intervals_over_seeds([row.line for row in rows], track, pairs), strict=True):
            if told:
                found[f"{i} {j}"][one_line(track)] = [round(told.low, 6), round(told.high, 6)]
    return {key: found[key] for key in (f"{i} {j}" for i, j in pairs) if key in found}


def _row(row: Row, short: str, found: Sequence[Cost], said: StringTable) -> Plain:
    line = row.line
    return {
        "label": one_line(row.label),
        "short": one_line(short),
        "method": one_line(line.method),
        "made": one_line(line.made_with),
        "role": one_line(line.role),
        "control": line.role in CONTROLS,
        "free": line.data_free,
        "tuning": "tuning-free" if line.tuning_free else "tuned",
        "pool": "black box" if line.black_box else "open pool",
        "queries": "transductive" if line.transductive else "inductive",
        "rank": row.average_rank,
        "extras": [one_line(f"{value:.4g}" if isinstance(value, float) else str(value or "")) for value in line.extras],
        "costs": [
            {
                "device": one_line(cost.device),
                "prepare": round(cost.prepare_seconds, 2),
                "evaluate": round(cost.evaluate_seconds, 2),
                "peak": round(cost.peak_mib),
                "records": cost.records,
                "all": round(cost.all_seconds, 2),
                "flops": cost.prepare_flops,
                "task": cost.task_flops,
                "learned": cost.learned,
                "tuned": cost.tuned,
                "queries": cost.queries,
                "joules": cost.joules,
            }
            for cost in found
        ],
        "origins": _origins(line.records),
        "cells": {one_line(track): _cell(row, track, cell, said) for track, cell in sorted(row.cells.items())},
    }


def _cell(row: Row, track: str, cell: Cell, said: StringTable) -> Plain:
    records = row.line.by_track[track]
    fixed: Plain = {
        "status": cell.status,
        "rank": cell.rank,
        "seeds": cell.seeds,
        "notes": " ".join(map(one_line, cell.notes)),
        "records": [_record(r, said) for r in records],
        "mean": None,
    }
    scores = row.line.averages.get(track)
    if cell.interval is None or scores is None:
        return fixed
    spec = records[0].spec.track
    unit = unit_of(scores, spec.way * spec.query * cell.seeds)
    told = fixed | {
        "mean": round(cell.interval.mean, 6),
        "low": round(cell.interval.low, 6),
        "high": round(cell.interval.high, 6),
        "worst": round(worst_tenth(scores), 6),
        "wider": [round(wider.low, 6), round(wider.high, 6)] if (wider := cell.over_seeds) else None,
        "episodes": len(scores),
        "histogram": histogram(scores),
        "unit": unit,
        "scores": encode(scores, unit),
    }
    return {key: value for key, value in told.items() if value or key not in ("notes", "wider")}


def histogram(scores: Sequence[float] | NDArray[np.float64]) -> list[int]:
    """Count accuracies in bins of equal width; an accuracy of 1 counts in the last bin."""
    places = np.minimum((np.asarray(scores) * BINS).astype(np.int64), BINS - 1)
    return [int(count) for count in np.bincount(places, minlength=BINS)]


def _record(record: RunRecord, said: StringTable) -> Plain:
    """Return the identity of a record and its data other than accuracies."""
    made = record.provenance
    found: Plain = {"cell": record.cell[:12], "seed": record.spec.seed, "day": one_line(made.finished[:10])}
    if record.spreads:
        found["spreads"] = [
            [round(s.low, 6), round(s.high, 6), _place(said.intervals, (one_line(s.covers), s.level))]
            for s in record.spreads
        ]
    if record.quality is not None:
        found["quality"] = _quality(record.quality, said)
    return found


def _quality(quality: Quality, said: StringTable) -> Plain:
    """Return calibration and the recall of each class, sorted by class name."""
    names = sorted(quality.recall)
    return {
        "ece": round(quality.ece, 4),
        "brier": round(quality.brier, 4),
        "classes": _place(said.classes, tuple(map(one_line, names))),
        "recall": encode([quality.recall[name] for name in names], SHARE),
    }


def _place(known: dict[Any, int], told: Any) -> int:
    return known.setdefault(told, len(known))


def _origins(records: Sequence[RunRecord]) -> list[str]:
    """List the distinct software and hardware of a row's records, each with its number of records."""
    found: dict[str, int] = {}
    for record in records:
        made = record.provenance
        dirty = " with uncommitted changes" if made.git_dirty else ""
        commit = f", commit {made.git_commit[:10]}{dirty}" if made.git_commit else dirty
        packages = ", ".join(f"{name} {version}" for name, version in sorted(made.packages.items()))
        provider = record.spec.method.origin or "unknown provider"
        told = (
            f"{provider}; FreeShot {made.freeshot}{commit}; Python {made.python}{', ' * bool(packages)}{packages}; "
            f"{made.platform}, {made.device}, threads {made.threads}"
        )
        found[one_line(told)] = found.get(one_line(told), 0) + 1
    return [f"{told} ({count} record{'' if count == 1 else 's'})" for told, count in sorted(found.items())]


def _default_pair(board: Board) -> list[int]:
    """Return the indices of the rows to compare by default: those of DEFAULT_PAIR, else the first two."""
    labels = [row.label for row in (*board.rows, *board.controls)]
    asked = versus(board, *DEFAULT_PAIR)
    if asked:
        return [labels.index(asked[0].first), labels.index(asked[0].second)]
    return [0, min(1, len(labels) - 1)] if labels else []


def _standings(board: Board, rows: Sequence[Row]) -> Plain | None:
    found = standings(board)
    if found is None:
        return None
    labels = [row.label for row in rows]
    return {
        "rows": [labels.index(label) for label in found.rows],
        "tracks": len(found.tracks),
        "ranks": [round(rank, 4) for rank in found.average_ranks],
        "middle": [round(value, 6) for value in found.interquartile_means],
        "friedman": _significant(found.friedman),
        "adjusted": [[_significant(p) for p in line] for line in found.adjusted],
        "cliques": [list(clique) for clique in found.cliques],
        "wins": [[[round(v, 4) for v in (one.mean, one.low, one.high)] for one in line] for line in found.wins],
        "verdicts": [[[counts[name] for name in VERDICTS] for counts in line] for line in found.verdicts],
        "cautions": [one_line(text) for text in found.cautions],
    }


def _significant(p: float) -> float:
    """Round a p-value to four digits; further digits differ between machines."""
    return float(f"{p:.4g}")


def _hardness(found: Hardness, rows: Sequence[Row]) -> Plain:
    return {
        "track": one_line(found.track),
        "reference": one_line(found.reference),
        "odds": [round(value, 4) for value in found.log_odds],
        "curves": {
            str(place): [round(value, 4) for value in found.accuracies[row.label]]
            for place, row in enumerate(rows)
            if row.label in found.accuracies
        },
    }


def _published(board: Board) -> list[Plain]:
    return [
        {
            "section": one_line(table.section),
            "tracks": [one_line(t.name) for t in table.tracks],
            "rows": [
                {
                    "method": one_line(row.method),
                    "source": one_line(row.source),
                    "cells": {one_line(track): [one.mean, one.half_width] for track, one in sorted(row.cells.items())},
                }
                for row in table.rows
            ],
        }
        for table in published_tables(board)
    ]
