"""Poisoned pools: a share of the LoRAs is corrupted without any mark.

As a variant of a pool (`variants`), 'pocket+noise30' is 'pocket' with 30 % of its LoRAs replaced by noise,
'pocket+mislabelled30' with as many whose classes are permuted. The choice depends on the pool only, through Philox's
raw output, so that a poisoned pool is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.basics.seeds import derive
from freeshot.contracts.pool import LoraEntry, LoraPool

Entries = tuple[LoraEntry, ...]


def with_noise(pool: LoraPool, percent: int) -> Entries:
    """Return the LoRAs with a percentage of them replaced by noise; PoolError above 100."""
    return _poisoned(pool, "noise", percent, _made_noise)


def with_mislabelled(pool: LoraPool, percent: int) -> Entries:
    """Return the LoRAs with the classes of a percentage of them permuted; PoolError above 100."""
    return _poisoned(pool, "mislabelled", percent, _mislabelled)


def _poisoned(pool: LoraPool, kind: str, percent: int, spoil: Callable[[LoraEntry, int], LoraEntry]) -> Entries:
    """Spoil a share of the LoRAs; a larger share includes the LoRAs of a smaller one."""
    if percent > 100:
        raise PoolError(f"{percent} % of the LoRAs of '{pool.name}' cannot be poisoned. Choose 0 to 100.")
    order = np.argsort(_raw(len(pool), pool.sha256, "which"), kind="stable")
    chosen = set(order[: round(len(pool) * percent / 100)].tolist())
    return tuple(
        spoil(entry, derive(0, pool.sha256, kind, entry.name)) if index in chosen else entry
        for index, entry in enumerate(pool.entries)
    )


def _made_noise(entry: LoraEntry, seed: int) -> LoraEntry:
    """Replace both factors of each slot by normal numbers of the same root mean square; the head stays."""
    factors = {}
    for slot, (a, b) in entry.factors.items():
        names = (slot.module, slot.start)
        factors[slot] = (_normal_like(a, seed, *names, "a"), _normal_like(b, seed, *names, "b"))
    return replace(entry, factors=factors)


def _mislabelled(entry: LoraEntry, seed: int) -> LoraEntry:
    """Assign each class the head row of another along a random cycle, so that none keeps its own."""
    cycle = np.argsort(_raw(len(entry.classes), seed, "cycle"), kind="stable")
    row = torch.empty(len(cycle), dtype=torch.long)
    row[torch.from_numpy(cycle)] = torch.from_numpy(np.roll(cycle, 1))
    return replace(entry, head_weight=entry.head_weight[row], head_bias=entry.head_bias[row])


def _normal_like(tensor: Tensor, *names: object) -> Tensor:
    """Draw normal numbers with a tensor's shape and root mean square, by the Box–Muller transform."""
    uniform = (_raw(2 * tensor.numel(), *names) >> np.uint64(11)).astype(np.float64) / 2.0**53
    radius, angle = np.sqrt(-2 * np.log(1 - uniform[: tensor.numel()])), 2 * np.pi * uniform[tensor.numel() :]
    drawn = torch.from_numpy(radius * np.cos(angle)).view(tensor.shape)
    return (drawn * tensor.double().square().mean().sqrt()).to(tensor)


def _raw(count: int, *names: object) -> NDArray[np.uint64]:
    return np.asarray(np.random.Philox(key=derive(0, "poison", *names)).random_raw(count), dtype=np.uint64)
