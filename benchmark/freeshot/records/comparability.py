"""Selection of comparable records: those of one track and version with the same episodes, pool and weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from freeshot.records.models import RunRecord


class Kept(NamedTuple):
    """Comparable records, and a message about each group that was left out."""

    records: list[RunRecord]
    problems: tuple[str, ...]


def drop_mismatched_episodes(records: Sequence[RunRecord]) -> Kept:
    """Keep, per track, the records of the most common episode list."""
    return _most_common(
        records,
        lambda record: (record.spec.track.name,),
        lambda record: (_list_of(record), len(record.accuracies)),
        lambda record: (
            f"of '{record.spec.track.name}' version {record.spec.track.version} have other episodes",
            ", or raise the track's version",
        ),
    )


def drop_other_pools(records: Sequence[RunRecord]) -> Kept:
    """Keep, per track and name of a pool, the records of the most common pool.

    Locally built pools are rarely bit-identical; comparing records of different pools would compare pools, not methods.
    """
    return _most_common(
        records,
        lambda record: (record.spec.track.name, record.spec.track.opened_pool),
        lambda record: record.spec.track.pool_sha256,
        lambda record: (
            f"of '{record.spec.track.name}' were made with another pool '{record.spec.track.opened_pool}'",
            " with the same pool",
        ),
    )


def drop_other_weights(records: Sequence[RunRecord]) -> Kept:
    """Keep, per track and backbone, the records of the most common weights.

    A backbone is identified by name and options, so its weights file can be replaced under the same name.
    """
    return _most_common(
        records,
        lambda record: (record.spec.track.name, record.spec.backbone.model_dump_json(exclude={"origin"})),
        lambda record: record.hashes.get("backbone", ""),
        lambda record: (
            f"of '{record.spec.track.name}' were made with other weights of '{record.spec.backbone.name}'",
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
    """Leave out finished records whose identity is not the most common in their group; ignore empty identities.

    Records are sorted from old to new; if two identities are equally common, the one with the newest record is kept.
    `words` returns how the others differ from the rest, and what to do in addition to running them again.
    """
    groups: dict[tuple[str, ...], dict[Hashable, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.status == "ok" and identity(record):
            groups[group(record)][identity(record)].append(record)
    ages = {id(record): i for i, record in enumerate(records)}
    left_out: set[int] = set()
    problems = []
    for _, by_identity in sorted(groups.items()):
        others, count = _others(by_identity.values(), ages)
        if others:
            left_out |= {id(record) for record in others}
            methods = ", ".join(sorted({record.spec.method.name for record in others}))
            problem, remedy = words(others[0])
            problems.append(
                f"{len(others)} of {count} records {problem} than the rest, left out: {methods}. "
                f"Run those cells again{remedy}."
            )
    return Kept([record for record in records if id(record) not in left_out], tuple(problems))


def _others(groups: Iterable[list[RunRecord]], ages: Mapping[int, int]) -> tuple[list[RunRecord], int]:
    """Return the records outside the most common group, and the number of all; `ages` maps record ids to age order."""
    groups = list(groups)
    common = max(groups, key=lambda group: (len(group), ages[id(group[-1])]))
    return [record for group in groups if group is not common for record in group], sum(map(len, groups))
