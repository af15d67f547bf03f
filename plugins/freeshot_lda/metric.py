"""A discriminant metric from few images: directions in which images of one class differ count less.

Axes: e episodes, n support images, q queries, c classes, d features.
"""

from __future__ import annotations

import torch
from torch import Tensor


def discriminant_logits(support: Tensor, query: Tensor, way: int, shrinkage: float) -> Tensor:
    """Score queries [e, q, d] by minus the distance to each class mean: [e, q, c].

    Support features [e, n, d] are ordered class by class. Distances are Mahalanobis distances with the covariance
    I + Σ r rᵀ / (shrinkage · σ²), where r are the support images' differences from their class mean and σ² is their
    variance per feature and degree of freedom: up to a factor the posterior mean under an inverse Wishart prior whose
    mean is σ² · I. With one image per class all r are zero and the distance is Euclidean.
    """
    by_class = support.reshape(len(support), way, -1, support.shape[2])  # [e, c, n / c, d]
    means = by_class.mean(2)  # [e, c, d]
    residuals = (by_class - means.unsqueeze(2)).flatten(1, 2)  # [e, n, d]
    _, spread, directions = torch.linalg.svd(residuals, full_matrices=False)  # [e, m], [e, m, d]
    freedom = max(1, support.shape[1] - way)
    variance = spread.square().sum(1, keepdim=True) / (freedom * support.shape[2])  # [e, 1]
    tiny = torch.finfo(support.dtype).tiny
    removed = 1 - (1 + spread.square() / (shrinkage * variance).clamp_min(tiny)).rsqrt()  # [e, m]

    def whitened(features: Tensor) -> Tensor:
        along = features @ directions.mT * removed.unsqueeze(1)  # [e, .., m]
        rest: Tensor = features - along @ directions
        return rest

    exact = "donot_use_mm_for_euclid_dist"  # the faster product of matrices loses digits of small distances
    distances: Tensor = torch.cdist(whitened(query), whitened(means), compute_mode=exact)
    return -distances
