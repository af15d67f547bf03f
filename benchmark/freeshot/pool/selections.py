"""Smaller pools: some of a pool's LoRAs, or all of them at a lower rank, to measure what makes a pool useful."""

from __future__ import annotations

from dataclasses import replace

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.engine.lora.low_rank import product_svd

Entries = tuple[LoraEntry, ...]


def first(pool: LoraPool, count: int) -> Entries:
    """Return the first LoRAs, in the order of the pool's card."""
    _require_count(pool, count)
    return pool.entries[:count]


def best(pool: LoraPool, count: int) -> Entries:
    """Return the LoRAs with the highest held-out accuracy; the earlier one of two that are equal."""
    return _by_accuracy(pool, count, sign=-1)


def worst(pool: LoraPool, count: int) -> Entries:
    """Return the LoRAs with the lowest held-out accuracy; the earlier one of two that are equal."""
    return _by_accuracy(pool, count, sign=1)


def apart(pool: LoraPool, count: int) -> Entries:
    """Return LoRAs that share few classes: the first, then each time the one with the most new classes."""
    return _by_overlap(pool, count, sign=-1)


def alike(pool: LoraPool, count: int) -> Entries:
    """Return LoRAs that share many classes: the first, then each time the one with the fewest new classes."""
    return _by_overlap(pool, count, sign=1)


def of_rank(pool: LoraPool, rank: int) -> Entries:
    """Return all LoRAs with B·A replaced by its best approximation of a rank; PoolError for rank 0."""
    if rank < 1:
        raise PoolError(f"A LoRA of rank {rank} is empty. Use '{pool.name}+rank1' or a higher rank.")
    return tuple(_lowered(entry, rank) for entry in pool.entries)


def _lowered(entry: LoraEntry, rank: int) -> LoraEntry:
    if rank >= entry.rank:
        return entry
    nearest = {slot: product_svd(a, b).nearest(rank) for slot, (a, b) in entry.factors.items()}
    return replace(entry, factors={slot: (a.float(), b.float()) for slot, (a, b) in nearest.items()}, rank=rank)


def _by_accuracy(pool: LoraPool, count: int, sign: int) -> Entries:
    _require_count(pool, count)
    accuracies = [entry.facts.get("held_out_accuracy") for entry in pool.entries]
    if not all(isinstance(accuracy, float) for accuracy in accuracies):
        raise PoolError(
            f"The pool '{pool.name}' has LoRAs without held-out accuracy, so they cannot be ordered by it. "
            f"Use '{pool.name}+first{count}'."
        )
    order = sorted(range(len(pool)), key=lambda index: sign * accuracies[index])  # type: ignore[operator]
    return tuple(pool.entries[index] for index in sorted(order[:count]))


def _by_overlap(pool: LoraPool, count: int, sign: int) -> Entries:
    _require_count(pool, count)
    chosen, covered = [0], set(pool.entries[0].class_ids)
    while len(chosen) < count:
        others = (index for index in range(len(pool)) if index not in chosen)
        index = min(others, key=lambda index: sign * len(set(pool.entries[index].class_ids) - covered))
        chosen.append(index)
        covered |= set(pool.entries[index].class_ids)
    return tuple(pool.entries[index] for index in sorted(chosen))


def _require_count(pool: LoraPool, count: int) -> None:
    if not 1 <= count <= len(pool):
        raise PoolError(
            f"The pool '{pool.name}' has {len(pool)} LoRAs, so {count} of them cannot be chosen. "
            f"Choose 1 to {len(pool)}."
        )
