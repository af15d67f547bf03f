"""Whether records of one track and version really met the same tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

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
    place = {id(record): i for i, record in enumerate(records)}
    for name, by_list in sorted(lists.items()):
        others, count = _others(by_list.values(), place)
        if others:
            strangers |= {id(record) for record in others}
            problems.append(_sentence(name, others, count))
    return [record for record in records if id(record) not in strangers], tuple(problems)


def leave_out_other_pools(records: Sequence[RunRecord]) -> tuple[list[RunRecord], tuple[str, ...]]:
    """Keep, per track and name of a pool, the records of the most common pool, and name the others in a sentence.

    Pools that everybody builds for themselves are seldom the same to the last bit; records of two of them would
    compare pools, not methods.
    """
    pools: dict[tuple[str, str], dict[str, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        track = record.spec.track
        if record.status == "ok" and track.pool_sha256:
            pools[track.name, track.opened_pool][track.pool_sha256].append(record)
    strangers: set[int] = set()
    problems = []
    place = {id(record): i for i, record in enumerate(records)}
    for (name, pool), by_hash in sorted(pools.items()):
        others, count = _others(by_hash.values(), place)
        if others:
            strangers |= {id(record) for record in others}
            methods = ", ".join(sorted({record.spec.method.name for record in others}))
            problems.append(
                f"{len(others)} of {count} records of '{name}' were made with another pool '{pool}' than the rest, "
                f"left out: {methods}. Run those cells again with the same pool."
            )
    return [record for record in records if id(record) not in strangers], tuple(problems)


def _others(groups: Iterable[list[RunRecord]], place: Mapping[int, int]) -> tuple[list[RunRecord], int]:
    """Return the records of all groups but the most common, and how many there are in all; `place` is that of each."""
    groups = list(groups)
    common = max(groups, key=lambda group: (len(group), place[id(group[-1])]))
    return [record for group in groups if group is not common for record in group], sum(map(len, groups))


def _sentence(track: str, others: Sequence[RunRecord], total: int) -> str:
    methods = ", ".join(sorted({record.spec.method.name for record in others}))
    version = others[0].spec.track.version
    return (
        f"{len(others)} of {total} records of '{track}' version {version} met other episodes than the rest, "
        f"left out: {methods}. Run those cells again, or raise the track's version."
    )
