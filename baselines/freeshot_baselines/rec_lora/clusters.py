"""Clusters of LoRAs with similar effects on the network's weights.

Axes: l LoRAs, r rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from freeshot import LoraEntry


def similarities(entries: Sequence[LoraEntry]) -> Tensor:
    """Return the cosines [l, l] between the LoRAs' weight updates B·A, in float64.

    ⟨BA, B′A′⟩ = tr(Bᵀ B′ A′ Aᵀ) needs r × r products only, and is invariant to the factorisation.
    """
    gram = torch.tensor([[_inner(first, second) for second in entries] for first in entries], dtype=torch.float64)
    length = gram.diagonal().clamp(min=torch.finfo(gram.dtype).tiny).sqrt()
    return gram / length / length.unsqueeze(1)


def clusters(similarity: Tensor, count: int) -> list[list[int]]:
    """Group LoRAs into at most `count` clusters by their cosines [l, l], in the order of their first members.

    Spectral: the leading eigenvectors, each LoRA's row normalised to length one, then Ward's hierarchical clustering,
    which is deterministic and leaves no cluster empty.
    """
    from scipy.cluster.hierarchy import fcluster, ward

    size = len(similarity)
    if count <= 1 or size <= count:
        return [list(range(size))] if count <= 1 else [[index] for index in range(size)]
    affinity = similarity.clamp(min=0)
    degree = affinity.sum(1).clamp(min=1e-12).rsqrt()
    _, vectors = torch.linalg.eigh(degree.unsqueeze(1) * affinity * degree)  # ascending
    rows = torch.nn.functional.normalize(vectors[:, -count:], dim=1)
    labels = fcluster(ward(rows.numpy()), count, criterion="maxclust").tolist()
    return [[index for index in range(size) if labels[index] == label] for label in dict.fromkeys(labels)]


def _inner(first: LoraEntry, second: LoraEntry) -> float:
    total = 0.0
    for slot, (a, b) in first.factors.items():
        if slot in second.factors:
            other_a, other_b = second.factors[slot]
            total += float(((b.mT @ other_b).double() * (a @ other_a.mT).double()).sum())
    return total
