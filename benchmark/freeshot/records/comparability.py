"""Whether records of one track and version really met the same tasks, pool and network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from freeshot.records.models import RunRecord


class Kept(NamedTuple):
    """Records that can stand beside each other, and a sentence about each group of others."""

    records: list[RunRecord]
    problems: tuple[str, ...]


def drop_mismatched_episodes(records: Sequence[RunRecord]) -> Kept:
    """Keep, per track, the records of the most common episode list."""
    return _most_common(
        records,
        lambda record: (record.spec.track.name,),
        lambda record: (_list_of(record), len(record.accuracies)),
        lambda one: (
            f"of '{one.spec.track.name}' version {one.spec.track.version} met other episodes than the rest",
            ", or raise the track's version",
        ),
    )


def drop_other_pools(records: Sequence[RunRecord]) -> Kept:
    """Keep, per track and name of a pool, the records of the most common pool.

    Pools that everybody builds for themselves are seldom the same to the last bit; records of two of them would
    compare pools, not methods.
    """
    return _most_common(
        records,
        lambda record: (record.spec.track.name, record.spec.track.opened_pool),
        lambda record: record.spec.track.pool_sha256,
        lambda one: (
            f"of '{one.spec.track.name}' were made with another pool '{one.spec.track.opened_pool}' than the rest",
            " with the same pool",
        ),
    )


def drop_other_weights(records: Sequence[RunRecord]) -> Kept:
    """Keep, per track and backbone, the records of the most common weights.

    A backbone is asked for by name and options; a file that was replaced under its name is another network.
    """
    return _most_common(
        records,
        lambda record: (record.spec.track.name, record.spec.backbone.model_dump_json(exclude={"origin"})),
        lambda record: record.hashes.get("backbone", ""),
        lambda one: (
            f"of '{one.spec.track.name}' were made with other weights of '{one.spec.backbone.name}' than the rest",
            " with the same weights (--rerun)",
        ),
    )


def _list_of(record: RunRecord) -> str:
    return record.spec.track.episodes_sha256 or record.hashes.get("episodes", "")


def _most_common(
    records: Sequence[RunRecord],
    group: Callable[[RunRecord], tuple[str, ...]],
    identity: Callable[[RunRecord], Hashable],
    words: Callable[[RunRecord], tuple[str, str]],
) -> Kept:
    """Keep of each group the finished records of the most common identity; one that is empty is nobody's.

    Records come from old to new; where two identities are equally common, the one met last stands. `words` say what
    is wrong with the others, and how to mend it beside running them again.
    """
    groups: dict[tuple[str, ...], dict[Hashable, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.status == "ok" and identity(record):
            groups[group(record)][identity(record)].append(record)
    place = {id(record): i for i, record in enumerate(records)}
    strangers: set[int] = set()
    problems = []
    for _, found in sorted(groups.items()):
        others, count = _others(found.values(), place)
        if others:
            strangers |= {id(record) for record in others}
            methods = ", ".join(sorted({record.spec.method.name for record in others}))
            wrong, mend = words(others[0])
            problems.append(
                f"{len(others)} of {count} records {wrong}, left out: {methods}. Run those cells again{mend}."
            )
    return Kept([record for record in records if id(record) not in strangers], tuple(problems))


def _others(groups: Iterable[list[RunRecord]], place: Mapping[int, int]) -> tuple[list[RunRecord], int]:
    """Return the records of all groups but the most common, and how many there are in all; `place` is that of each."""
    groups = list(groups)
    common = max(groups, key=lambda group: (len(group), place[id(group[-1])]))
    return [record for group in groups if group is not common for record in group], sum(map(len, groups))
