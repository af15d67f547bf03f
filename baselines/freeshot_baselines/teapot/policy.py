"""A policy over the LoRAs of a pool, trained by REINFORCE."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


class Policy:
    """One logit per LoRA; their softmax is the target frequency of each LoRA's tasks.

    Tasks come from a stream with uniform LoRAs, so the policy is a rejection sampler: a task of LoRA i is accepted with
    probability p_i / max p. LoRAs are added when their first task arrives.
    """

    def __init__(self, lr: float, momentum: float = 0.9) -> None:
        self._lr, self._momentum = lr, momentum
        self._index_of: dict[str, int] = {}
        self.preferences = torch.zeros(0, dtype=torch.float64)
        self._moments = torch.zeros(2, 0, dtype=torch.float64)
        self._steps = 0
        self.expected: float | None = None
        """Running mean of rewards, the baseline of REINFORCE."""

    def shares(self) -> Tensor:
        """Return the softmax [l]."""
        return self.preferences.softmax(0)

    def accepts(self, sources: Sequence[str], rng: Generator) -> bool:
        """Accept or reject a task whose classes come from these LoRAs, with their mean probability."""
        indices = self._indices_of(sources)
        shares = self.shares()
        chance = float((shares[indices] / shares.max()).mean()) if indices else 1.0
        return float(torch.rand((), generator=rng)) < chance

    def reward(self, taken: Sequence[Sequence[str]], reward: float) -> None:
        """Take an Adam step along (reward − baseline)·∇ Σ log p for the tasks of these LoRAs."""
        advantage = 0.0 if self.expected is None else reward - self.expected
        momentum = self._momentum
        self.expected = reward if self.expected is None else momentum * self.expected + (1 - momentum) * reward
        if advantage:
            self._ascend(advantage * self.score(taken))

    def score(self, taken: Sequence[Sequence[str]]) -> Tensor:
        """Return ∇ Σ log p [l] of draws; a task of several LoRAs is one draw, shared among them."""
        shares = self.shares()
        total = torch.zeros_like(shares)
        for sources in taken:
            for index in self._indices_of(sources):
                total[index] += 1 / len(sources)
            total -= shares
        return total

    def _indices_of(self, sources: Sequence[str]) -> list[int]:
        for name in sources:
            self._index_of.setdefault(name, len(self._index_of))
        grow = len(self._index_of) - len(self.preferences)
        if grow:
            self.preferences = torch.cat([self.preferences, self.preferences.new_zeros(grow)])
            self._moments = torch.cat([self._moments, self._moments.new_zeros(2, grow)], dim=1)
        return [self._index_of[name] for name in sources]

    def _ascend(self, slope: Tensor) -> None:
        """Take an ascent step of Adam (0.9, 0.999); the number of LoRAs may have grown since the last one."""
        self._steps += 1
        first, second = self._moments
        self._moments = torch.stack([0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope.square()])
        mean = self._moments[0] / (1 - 0.9**self._steps)
        size = (self._moments[1] / (1 - 0.999**self._steps)).sqrt()
        self.preferences = self.preferences + self._lr * mean / (size + 1e-8)

    def trust(self) -> dict[str, float]:
        """Return each LoRA's probability, relative to the uniform one."""
        shares = (self.shares() * len(self._index_of)).tolist()
        return {name: round(shares[index], 3) for name, index in self._index_of.items()}
