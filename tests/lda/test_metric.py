"""The discriminant metric equals a Mahalanobis distance written out slowly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeshot_lda.metric import discriminant_logits

WAY = 3


def features(shot: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    support = torch.randn(2, WAY * shot, width, generator=rng, dtype=torch.float64)
    return support, torch.randn(2, 7, width, generator=rng, dtype=torch.float64)


def slow_logits(support: torch.Tensor, query: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """Invert the covariance of one episode."""
    classes = support.view(WAY, -1, support.shape[1])
    means = classes.mean(1)
    residuals = [image - means[c] for c in range(WAY) for image in classes[c]]
    scatter = sum(torch.outer(r, r) for r in residuals)
    freedom = len(support) - WAY
    variance = sum(float(r @ r) for r in residuals) / (freedom * support.shape[1])
    covariance = torch.eye(support.shape[1], dtype=torch.float64) + scatter / (shrinkage * variance)
    inverse = torch.linalg.inv(covariance)
    rows = [[-(((q - m) @ inverse @ (q - m)) ** 0.5) for m in means] for q in query]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("width", [4, 40])
@pytest.mark.parametrize("shrinkage", [0.5, 60.0])
def test_it_is_a_mahalanobis_distance(width: int, shrinkage: float) -> None:
    support, query = features(4, width)
    fast = discriminant_logits(support, query, WAY, shrinkage)
    for e in range(len(support)):
        assert torch.allclose(fast[e], slow_logits(support[e], query[e], shrinkage), rtol=1e-10, atol=1e-10)


def test_with_one_shot_it_is_euclidean() -> None:
    support, query = features(1, 8)
    assert torch.allclose(discriminant_logits(support, query, WAY, 60.0), -torch.cdist(query, support), atol=1e-12)


def test_a_strong_shrinkage_is_euclidean() -> None:
    support, query = features(5, 8)
    means = support.view(2, WAY, 5, 8).mean(2)
    assert torch.allclose(discriminant_logits(support, query, WAY, 1e12), -torch.cdist(query, means), atol=1e-6)


def test_a_direction_of_within_class_scatter_counts_less() -> None:
    support = torch.tensor([[[-1.0, 9.0], [-1.0, -9.0], [1.0, 9.0], [1.0, -9.0]]])
    query = torch.tensor([[[-0.5, 30.0]]])
    scores = discriminant_logits(support, query, 2, 1.0)
    assert int(scores.argmax()) == 0
    assert float(scores[0, 0, 0] - scores[0, 0, 1]) > float(
        -(query[0, 0] - support[0, :2].mean(0)).norm() + (query[0, 0] - support[0, 2:].mean(0)).norm()
    )


@settings(max_examples=25, deadline=None)
@given(shot=st.integers(1, 5), width=st.integers(2, 12), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_predictions_do_not_depend_on_units_or_origin(shot: int, width: int, scale: float, seed: int) -> None:
    support, query = features(shot, width, seed)
    plain = discriminant_logits(support, query, WAY, 10.0)
    moved = discriminant_logits(support * scale + 5, query * scale + 5, WAY, 10.0)
    assert torch.allclose(moved, plain * scale, rtol=1e-6, atol=1e-7 * scale)


def test_identical_support_images_give_a_finite_score() -> None:
    support, query = torch.zeros(1, 6, 4), torch.ones(1, 2, 4)
    assert torch.isfinite(discriminant_logits(support, query, WAY, 60.0)).all()
