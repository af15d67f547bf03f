"""Whether records of one track and version really met the same tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from freeshot.contracts.records import RunRecord


def leave_out_strangers(records: Sequence[RunRecord]) -> tuple[list[RunRecord], tuple[str, ...]]:
    """Keep, per track, the records of the most common episode list, and name the others in a sentence.

    Records come from old to new; where two lists are equally common, the one met last stands.
    """
    lists: dict[str, dict[tuple[str, int], list[RunRecord]]] = defaultdict(dict)
    for record in records:
        if record.status == "ok":
            track = record.spec.track
            met = track.episodes_sha256 or record.hashes.get("episodes", "")
            lists[track.name].setdefault((met, len(record.accuracies)), []).append(record)
    strangers: set[int] = set()
    problems = []
    for name, by_list in sorted(lists.items()):
        place = {id(record): i for i, record in enumerate(records)}
        common = max(by_list.values(), key=lambda group: (len(group), place[id(group[-1])]))
        others = [record for group in by_list.values() if group is not common for record in group]
        if others:
            strangers |= {id(record) for record in others}
            problems.append(_sentence(name, others, len(others) + len(common)))
    return [record for record in records if id(record) not in strangers], tuple(problems)


def _sentence(track: str, others: Sequence[RunRecord], total: int) -> str:
    methods = ", ".join(sorted({record.spec.method.name for record in others}))
    version = others[0].spec.track.version
    return (
        f"{len(others)} of {total} records of '{track}' version {version} met other episodes than the rest, "
        f"left out: {methods}. Run those cells again, or raise the track's version."
    )
