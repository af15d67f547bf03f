"""Records inside the page, complete but for the log-odds; parts that records have in common are stored once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from freeshot.basics.errors import StoreError
from freeshot.records.models import Quality, RunRecord
from freeshot.render.format import one_line

SHARED = ("track", "method", "backbone")
"""Models in a record's spec that many records have in common."""


@dataclass(frozen=True)
class Packed:
    """The records of a board; the script's `unpacked` (records.js) is the inverse."""

    lines: list[dict[str, Any]]
    shared: list[Any]
    """What `lines` refer to by index."""
    index: dict[str, int]
    """Cell → index in `lines`."""


def pack(records: Iterable[RunRecord]) -> Packed:
    """Pack records in their order."""
    texts: dict[str, int] = {}

    def shared(text: str) -> int:
        return texts.setdefault(text, len(texts))

    lines: list[dict[str, Any]] = []
    index: dict[str, int] = {}
    for record in records:
        index[record.cell] = len(lines)
        spec = record.spec
        components = {option: shared(part.model_dump_json()) for option, part in spec.components.items()}
        lines.append(
            {
                "cell": record.cell,
                "status": record.status,
                "reason": record.reason,
                "comparable": record.comparable,
                "suite": spec.suite,
                **{name: shared(getattr(spec, name).model_dump_json()) for name in SHARED},
                "components": shared(json.dumps(components)),
                "seed": spec.seed,
                "precision": spec.precision,
                "limit": spec.limit,
                "tags": shared(record.tags.model_dump_json()),
                "interval": record.interval.model_dump() if record.interval else None,
                "accuracies": _counts(record),
                "wider_intervals": [interval.model_dump() for interval in record.wider_intervals],
                "quality": _quality(record.quality, shared) if record.quality else None,
                "test_evaluations": record.test_evaluations,
                "stages": [shared(stage.model_dump_json()) for stage in record.stages],
                "task_cost": record.task_cost.model_dump() if record.task_cost else None,
                "audit": record.audit.model_dump() if record.audit else None,
                "hashes": shared(json.dumps(record.hashes)),
                "provenance": shared(record.provenance.model_dump_json(exclude={"finished"})),
                "finished": record.provenance.finished,
                "schema_version": record.schema_version,
                "log_odds": bool(record.log_odds),
                "made": shared(json.dumps(origin_of(record))),
            }
        )
    return Packed(lines, [json.loads(text) for text in texts], index)


def _counts(record: RunRecord) -> Any:
    """Return accuracies as correct queries, a byte each in base64; as they are if that is not exact."""
    queries = record.spec.track.way * record.spec.track.query
    accuracies = np.fromiter(record.accuracies, np.float64, len(record.accuracies))
    counts = np.rint(accuracies * queries)
    if queries > 255 or not accuracies.size or (counts / queries != accuracies).any():
        return record.accuracies
    return {"of": queries, "counts": base64.b64encode(counts.astype(np.uint8).tobytes()).decode("ascii")}


def _quality(quality: Quality, shared: Callable[[str], int]) -> dict[str, Any]:
    """Return the metrics of a record; the names of the classes are shared."""
    recall = {"names": shared(json.dumps([*quality.recall])), "values": [*quality.recall.values()]}
    return {"ece": quality.ece, "brier": quality.brier, "recall": recall}


def origin_of(record: RunRecord) -> str:
    """Describe the software and hardware that made a record, on one line."""
    made = record.provenance
    dirty = " with uncommitted changes" if made.git_dirty else ""
    commit = f", commit {made.git_commit[:10]}{dirty}" if made.git_commit else dirty
    packages = ", ".join(f"{name} {version}" for name, version in sorted(made.packages.items()))
    provider = record.spec.method.origin or "unknown provider"
    return one_line(
        f"{provider}; FreeShot {made.freeshot}{commit}; Python {made.python}{', ' * bool(packages)}{packages}; "
        f"{made.platform}, {made.device}, threads {made.threads}"
    )


def path_of(record: RunRecord) -> str:
    """Return the path of a record in a results folder; '' if one of its names is not a valid file name."""
    try:
        return str(record.spec.relative_path)
    except StoreError:
        return ""
