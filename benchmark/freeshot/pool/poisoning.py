"""Poisoned pools: a share of the LoRAs is corrupted without any mark.

The pool's name has the poison: 'pocket+noise30' is 'pocket' with 30 % of its LoRAs replaced by noise,
'pocket+mislabelled30' with as many whose classes are permuted. The choice depends on the pool only, through Philox's
raw output, so that a poisoned pool is the same on every machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.basics.seeds import derive
from freeshot.contracts.pool import LoraEntry, LoraPool

KINDS = ("noise", "mislabelled")


@dataclass(frozen=True)
class Poison:
    """Kind and percentage of a poison."""

    kind: str
    """'noise': factors are replaced by normal numbers of the same root mean square; 'mislabelled': classes are
    permuted."""
    percent: int


def split_name(name: str) -> tuple[str, Poison | None]:
    """Split 'pocket+noise30' into 'pocket' and its poison; PoolError for an invalid poison."""
    pool_name, plus, text = name.partition("+")
    if not plus:
        return name, None
    match = re.fullmatch(f"({'|'.join(KINDS)})([0-9]{{1,3}})", text)
    if match is None or int(match[2]) > 100:
        raise PoolError(
            f"Invalid poison '{text}' in the pool name '{name}': expected one of {', '.join(KINDS)} and a percentage. "
            f"Use '{pool_name}+{KINDS[0]}30'."
        )
    return pool_name, Poison(match[1], int(match[2]))


def poisoned(pool: LoraPool, poison: Poison) -> LoraPool:
    """Return the pool with a share of its LoRAs poisoned; a larger share includes the LoRAs of a smaller one."""
    order = np.argsort(_raw(len(pool), pool.sha256, "which"), kind="stable")
    chosen = set(order[: round(len(pool) * poison.percent / 100)].tolist())
    spoil = _made_noise if poison.kind == "noise" else _mislabelled
    entries = tuple(
        spoil(entry, derive(0, pool.sha256, poison.kind, entry.name)) if index in chosen else entry
        for index, entry in enumerate(pool.entries)
    )
    names = [entry.name for entry in pool.entries]  # a part shares the pool's hash but has its own poison
    identity = f"{derive(0, pool.sha256, poison.kind, poison.percent, *names):016x}{pool.sha256[16:]}"
    return replace(pool, name=f"{pool.name}+{poison.kind}{poison.percent}", entries=entries, sha256=identity)


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
