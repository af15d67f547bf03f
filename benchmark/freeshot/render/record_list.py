"""Listed records as rows of a table, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from freeshot.leaderboard.listing import FIELDS, Listed
from freeshot.render.csv_json import inert
from freeshot.render.format import one_line

HEADS = ("record", "suite", "track", "method", "accuracy", "precision", "date")
SHOWN = 8
"""Digits of a record's hash in a table; enough to find it."""


def records_as_rows(listed: Sequence[Listed]) -> list[tuple[str, ...]]:
    """Return the cells below HEADS of each record; a status instead of a missing accuracy."""
    several = len({each.record.spec.seed for each in listed}) > 1
    return [_row(each, several=several) for each in listed]


def records_as_csv(listed: Sequence[Listed]) -> str:
    """Write the FIELDS as CSV; texts that a spreadsheet would evaluate as formulas are escaped."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for each in listed:
        fields = each.fields()
        writer.writerow({key: inert(one_line(v) if isinstance(v, str) else v) for key, v in fields.items()})
    return out.getvalue()


def records_as_json(listed: Sequence[Listed]) -> str:
    """Write a list of objects with the FIELDS."""
    return json.dumps([each.fields() for each in listed], indent=1, ensure_ascii=False) + "\n"


def _row(listed: Listed, *, several: bool) -> tuple[str, ...]:
    record, spec = listed.record, listed.record.spec
    result = record.status if record.interval is None else _accuracy(record.interval.mean, record.interval.high)
    if spec.limit is not None:
        result += f" ({spec.limit} episodes)"
    label = f"{listed.label}, seed {spec.seed}" if several else listed.label
    date = record.provenance.finished[:10]
    return record.cell[:SHOWN], spec.suite, spec.track.name, label, result, spec.precision, date


def _accuracy(mean: float, high: float) -> str:
    return f"{100 * mean:.2f} ± {100 * (high - mean):.2f}"
