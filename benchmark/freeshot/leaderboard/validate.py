"""Validation of records for a leaderboard: against the installed tracks and against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from freeshot.basics.text import one_line
from freeshot.contracts.tracks import Track
from freeshot.leaderboard.board import boards
from freeshot.records.comparability import drop_mismatched_episodes
from freeshot.records.models import RunRecord
from freeshot.stats.intervals import student_t


@dataclass(frozen=True)
class Finding:
    """A problem or remark about one or several records."""

    weight: Literal["problem", "remark"]
    """A problem keeps a record off the board; a remark is only for information."""
    where: str
    text: str


def findings(
    records: Sequence[RunRecord],
    unreadable: Iterable[str],
    tracks: Mapping[str, Track],
    older: Sequence[RunRecord] = (),
) -> tuple[Finding, ...]:
    """Validate records; each text in `unreadable` becomes a problem. `older` are records of cells with a newer one."""
    found = [Finding("problem", "file", one_line(text)) for text in unreadable]
    for record in records:
        where = _where(record)
        found += [Finding("problem", where, text) for text in _problems(record, tracks.get(record.spec.track.name))]
        found += [Finding("remark", where, text) for text in _remarks(record)]
    found += [Finding("remark", _where(one), "An older record of its cell lies beside it, left out.") for one in older]
    found += [Finding("problem", "episodes", one_line(text)) for text in drop_mismatched_episodes(list(records))[1]]
    found += [Finding("problem", "hashes", text) for text in _other_hashes(records)]
    found += [Finding("remark", "versions", text) for text in _versions(records)]
    found += [Finding("remark", "completeness", text) for text in _gaps(records)]
    return tuple(found)


def _where(record: RunRecord) -> str:
    return one_line(f"{record.spec.title} ({record.cell[:12]})")


def _problems(record: RunRecord, track: Track | None) -> list[str]:
    found = []
    if record.spec.limit is not None:
        found.append("It saw only a part of the episodes. Run its cell without --limit.")
    elif not record.comparable:
        found.append("It says of itself that it is not comparable. Run its cell with weights that were learned.")
    if record.status in ("failed", "violated"):
        found.append(f"It {'failed' if record.status == 'failed' else 'broke the rules'}: {one_line(record.reason)}")
    found += _impossible(record)
    if track is None:
        found.append("Its track is not known here. Install the plugin that offers it, or leave the record out.")
        return found
    stated = record.spec.track
    if stated.version != track.version:
        found.append(
            f"It is of version {stated.version} of its track, which is at {track.version}. Run its cell again."
        )
    elif (stated.dataset, stated.way, stated.shot, stated.query, stated.episodes) != (
        track.dataset, track.way, track.shot, track.query, track.episodes,
    ):  # fmt: skip
        found.append(
            "Its track had other sizes than the one of the same version here. Update FreeShot, or run it again."
        )
    if track.episodes_sha256 and record.status == "ok" and record.hashes.get("episodes") != track.episodes_sha256:
        found.append("It met other episodes than those that are frozen for its track. Run its cell again.")
    return found


def _impossible(record: RunRecord) -> list[str]:
    """Check that the numbers of a finished record are consistent, beyond the validation on reading."""
    if record.interval is None or not record.accuracies:
        return []
    found, stated, values = [], record.interval, np.asarray(record.accuracies)
    queries = record.spec.track.way * record.spec.track.query
    rights = values * queries
    odd = int((np.abs(rights - np.rint(rights)) > 1e-6 * queries).sum())
    if odd:
        found.append(f"{odd} of its accuracies are no whole number of {queries} queries. Run its cell again.")
    again = student_t(values, stated.level)
    if stated.covers == again.covers and not np.allclose((stated.low, stated.high), (again.low, again.high), atol=1e-6):
        found.append("Its interval is not the one of its accuracies. Run its cell again.")
    beside = [spread.covers for spread in record.spreads if not spread.low <= stated.mean <= spread.high]
    if beside:
        found.append(f"Its mean lies outside of its interval over {one_line(', '.join(beside))}. Run its cell again.")
    return found


def _remarks(record: RunRecord) -> list[str]:
    found = []
    if record.looks > 1:
        found.append(f"Its test episodes were scored {record.looks} times.")
    if record.provenance.git_dirty:
        found.append("It was made with changes that no commit holds.")
    return found


def _other_hashes(records: Sequence[RunRecord]) -> list[str]:
    """List tracks whose records of one version have different hashes of images, networks or pools."""
    seen: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for record in records:
        for name, value in record.hashes.items():
            if name != "episodes":  # reported separately
                seen[record.spec.track.name, record.spec.track.version, name].add(value)
    return [
        f"Records of '{one_line(track)}' version {version} rest on {len(values)} different {one_line(name)}."
        for (track, version, name), values in sorted(seen.items())
        if len(values) > 1
    ]


def _versions(records: Sequence[RunRecord]) -> list[str]:
    """List methods whose records come from several versions of the distribution that provides them."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        seen[record.spec.suite, record.spec.method.name].add(record.spec.method.origin)
    return [
        f"'{one_line(method)}' of {one_line(suite)} was run with {one_line(', '.join(sorted(origins)))}."
        for (suite, method), origins in sorted(seen.items())
        if len(origins) > 1
    ]


def _gaps(records: Sequence[RunRecord]) -> list[str]:
    """List rows that lack tracks of their board."""
    return [
        f"'{one_line(row.label)}' of {one_line(board.suite)} lacks {len(board.tracks) - len(row.averages)} of "
        f"{len(board.tracks)} tracks, so it has no average rank."
        for board in boards(records)
        for row in board.all_rows
        if len(row.averages) < len(board.tracks)
    ]
