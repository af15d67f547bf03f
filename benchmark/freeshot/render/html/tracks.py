"""A track for the HTML page: the question it poses, and the data behind it."""

from __future__ import annotations

from typing import Any

from freeshot.basics.text import counted
from freeshot.leaderboard.board import Board, TrackColumn
from freeshot.records.models import RunRecord, TrackSpec
from freeshot.render.format import one_line


def track_data(track: TrackColumn, board: Board) -> dict[str, Any]:
    """Describe a track by its records, so that the plugin that provides it need not be installed."""
    records = [record for row in board.all_rows for record in row.by_track.get(track.name, ())]
    spec = records[0].spec.track
    return {
        "name": one_line(track.name),
        "section": one_line(track.section),
        "title": [one_line(part) for part in track.title if part],
        "shot": f"{track.shot}-shot",
        "question": _question(spec),
        "dataset": one_line(f"dataset {spec.dataset}"),
        "facts": [
            ("task", f"{spec.way}-way {spec.shot}-shot, queries per class: {spec.query}"),
            ("episodes", f"{spec.episodes:,}, the same for every row; track version {spec.version}"),
            ("classes", _classes(records)),
            ("LoRAs", one_line(f"pool '{spec.pool}', tuned on {_listed(spec.sources)}")),
            ("backbone", one_line(", ".join(sorted({record.spec.backbone.name for record in records})))),
        ],
    }


def _question(spec: TrackSpec) -> str:
    kind = {"novel": "new classes", "validation": "validation classes"}.get(spec.split, f"'{spec.split}' classes")
    seen = (
        "The LoRAs were tuned on other classes of the same data set and of others."
        if len(spec.sources) > 1
        else "The LoRAs were tuned on other classes of the same data set."
    )
    origin = seen if spec.dataset in spec.sources else "The LoRAs were tuned on other data sets only."
    return one_line(
        f"Given {counted(spec.shot, 'labelled picture')} of each of {spec.way} {kind} of '{spec.dataset}', which class "
        f"does each of {spec.way * spec.query} further pictures show? {origin}"
    )


def _classes(records: list[RunRecord]) -> str:
    """Count the classes that episodes are drawn from, by the recall of each; '' if no record has it."""
    counts = [len(record.quality.recall) for record in records if record.quality]
    return f"{max(counts)}, of which each episode has {records[0].spec.track.way}" if counts else ""


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "unknown data"
