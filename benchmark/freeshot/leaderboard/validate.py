"""Validation of records for a leaderboard: against the installed tracks and against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from freeshot.basics.text import one_line
from freeshot.contracts.tracks import Track
from freeshot.leaderboard.board import boards
from freeshot.records.comparability import drop_mismatched_episodes
from freeshot.records.models import RunRecord
from freeshot.stats.intervals import student_t

Weight = Literal["problem", "remark"]
"""A problem keeps a record off the board; a remark is only for information."""
SIZES = ("dataset", "way", "shot", "query", "episodes")
"""Fields of a track that its version fixes."""


@dataclass(frozen=True)
class Finding:
    """A problem or remark about one or several records."""

    weight: Weight
    where: str
    text: str


def findings(
    records: Sequence[RunRecord],
    unreadable: Iterable[str],
    tracks: Mapping[str, Track],
    older: Sequence[RunRecord] = (),
) -> tuple[Finding, ...]:
    """Validate records; each text in `unreadable` becomes a problem. `older` are records of cells with a newer one."""
    every: list[tuple[Weight, str, str]] = [("problem", "file", one_line(text)) for text in unreadable]
    for record in records:
        every += [("problem", _title(record), text) for text in _problems(record, tracks.get(record.spec.track.name))]
        every += [("remark", _title(record), text) for text in _remarks(record)]
    every += [("remark", _title(r), "It is ignored, because its cell has a newer record.") for r in older]
    every += [("problem", "episodes", one_line(text)) for text in drop_mismatched_episodes(list(records)).problems]
    every += [("problem", "hashes", text) for text in _other_hashes(records)]
    every += [("remark", "versions", text) for text in _versions(records)]
    every += [("remark", "completeness", text) for text in _gaps(records)]
    return tuple(Finding(*finding) for finding in every)


def _title(record: RunRecord) -> str:
    return one_line(f"{record.spec.title} ({record.cell[:12]})")


def _problems(record: RunRecord, track: Track | None) -> Iterator[str]:
    if record.spec.limit is not None:
        yield "It covers only part of the episodes. Run its cell without --limit."
    elif not record.comparable:
        yield "It is marked as not comparable. Run its cell with trained weights."
    if record.status in ("failed", "violated"):
        yield f"It {'failed' if record.status == 'failed' else 'violated the rules'}: {one_line(record.reason)}"
    yield from _inconsistencies(record)
    if track is None:
        yield "No installed plugin provides its track. Install the plugin, or remove the record."
        return
    own = record.spec.track
    if own.version != track.version:
        yield f"Its track is at version {track.version}, but it was made with version {own.version}. Rerun its cell."
    elif any(getattr(own, size) != getattr(track, size) for size in SIZES):
        yield "Its track has other sizes than the installed one of the same version. Update FreeShot or rerun its cell."
    if track.episodes_sha256 and record.status == "ok" and record.hashes.get("episodes") != track.episodes_sha256:
        yield "Its episodes differ from the frozen episodes of its track. Rerun its cell."


def _inconsistencies(record: RunRecord) -> Iterator[str]:
    """Check that the numbers of a finished record are consistent, beyond the validation on reading."""
    if record.interval is None or not record.accuracies:
        return
    stated, accuracies = record.interval, np.asarray(record.accuracies)
    queries = record.spec.track.way * record.spec.track.query
    correct = accuracies * queries
    if odd := int((np.abs(correct - np.rint(correct)) > 1e-6 * queries).sum()):
        yield f"{odd} of its accuracies are not multiples of 1/{queries}, one query. Rerun its cell."
    recomputed = student_t(accuracies, stated.level)
    if stated.covers == recomputed.covers and not np.allclose(
        (stated.low, stated.high), (recomputed.low, recomputed.high), atol=1e-6
    ):
        yield "Its interval does not match its accuracies. Rerun its cell."
    if outside := [s.covers for s in record.wider_intervals if not s.low <= stated.mean <= s.high]:
        yield f"Its mean lies outside its interval over {one_line(', '.join(outside))}. Rerun its cell."


def _remarks(record: RunRecord) -> Iterator[str]:
    if record.test_evaluations > 1:
        yield f"Its test episodes were evaluated {record.test_evaluations} times."
    if record.provenance.git_dirty:
        yield "It was made with uncommitted changes."


def _other_hashes(records: Sequence[RunRecord]) -> Iterator[str]:
    """Describe tracks whose records of one version have different hashes of images, networks or pools."""
    seen: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for record in records:
        for name, value in record.hashes.items():
            if name != "episodes":  # reported separately
                seen[record.spec.track.name, record.spec.track.version, name].add(value)
    for (track, version, name), values in sorted(seen.items()):
        if len(values) > 1:
            made = f"{len(values)} different {one_line(name)}"
            yield f"Records of '{one_line(track)}' version {version} were made with {made}."


def _versions(records: Sequence[RunRecord]) -> Iterator[str]:
    """Describe methods whose records come from several versions of the distribution that provides them."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        seen[record.spec.suite, record.spec.method.name].add(record.spec.method.origin)
    for (suite, method), origins in sorted(seen.items()):
        if len(origins) > 1:
            yield f"'{one_line(method)}' of {one_line(suite)} was run with {one_line(', '.join(sorted(origins)))}."


def _gaps(records: Sequence[RunRecord]) -> Iterator[str]:
    """Describe rows that lack tracks of their board."""
    for board in boards(records):
        for row in board.all_rows:
            if missing := len(board.tracks) - len(row.averages):
                yield (
                    f"'{one_line(row.label)}' of {one_line(board.suite)} lacks {missing} of {len(board.tracks)} "
                    "tracks, so it has no average rank."
                )
