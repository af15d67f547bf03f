"""Variants of a pool, written behind its name: 'pocket+noise30', 'pocket+first10', 'pocket+rank2'.

A variant is a kind and a number. Poisons corrupt a percentage of the LoRAs (`poisoning`); selections keep a number of
them or lower their rank (`selections`). A variant depends on the pool alone, so it is the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from freeshot.basics.errors import PoolError
from freeshot.basics.seeds import derive
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.pool.poisoning import with_mislabelled, with_noise
from freeshot.pool.selections import alike, apart, best, first, of_rank, worst

Entries = tuple[LoraEntry, ...]

VARIANTS: dict[str, Callable[[LoraPool, int], Entries]] = {
    "noise": with_noise,
    "mislabelled": with_mislabelled,
    "first": first,
    "best": best,
    "worst": worst,
    "apart": apart,
    "alike": alike,
    "rank": of_rank,
}
"""Kind → the LoRAs of that variant. Kinds of poison take a percentage, `rank` a rank, the others a number of LoRAs."""


@dataclass(frozen=True)
class Variant:
    """A change to a pool."""

    kind: str
    """A key of VARIANTS."""
    number: int
    """Percentage, rank or number of LoRAs."""


def split_name(name: str) -> tuple[str, Variant | None]:
    """Split 'pocket+noise30' into 'pocket' and its variant; PoolError for an invalid variant."""
    pool_name, plus, text = name.partition("+")
    if not plus:
        return name, None
    match = re.fullmatch(f"({'|'.join(VARIANTS)})([0-9]{{1,4}})", text)
    if match is None:
        raise PoolError(
            f"Invalid variant '{text}' in the pool name '{name}': expected one of {', '.join(VARIANTS)} and a number. "
            f"Use e.g. '{pool_name}+first10'."
        )
    return pool_name, Variant(match[1], int(match[2]))


def varied(pool: LoraPool, variant: Variant) -> LoraPool:
    """Return the pool with its variant's LoRAs, name and hash; PoolError for a number that is impossible."""
    entries = VARIANTS[variant.kind](pool, variant.number)
    names = [entry.name for entry in pool.entries]  # a part shares the pool's hash but has its own variants
    identity = f"{derive(0, pool.sha256, variant.kind, variant.number, *names):016x}{pool.sha256[16:]}"
    return replace(pool, name=f"{pool.name}+{variant.kind}{variant.number}", entries=entries, sha256=identity)
