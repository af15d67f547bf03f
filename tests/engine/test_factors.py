"""Results from the factors of a LoRA are those of the dense product B·A."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from freeshot.engine.lora.low_rank import fresh_a, padded, product_svd

SIZES = [(3, 7, 9), (7, 7, 9), (1, 5, 4), (8, 5, 6), (6, 5, 9)]
"""(r, i, o); in the last two the rank exceeds that of any such product."""


def factors(r: int, i: int, o: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(r + i + o)
    a = torch.randn(r, i, generator=rng, dtype=torch.float64)
    return a, torch.randn(o, r, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(("r", "i", "o"), SIZES)
def test_the_svd_of_a_product_is_the_dense_one(r: int, i: int, o: int) -> None:
    a, b = factors(r, i, o)
    svd = product_svd(a, b)
    u, s, v = svd.u, svd.s, svd.v
    m = min(r, i, o)
    assert (u.shape, s.shape, v.shape) == ((o, m), (m,), (m, i))
    dense_u, dense_s, dense_v = torch.linalg.svd(b @ a, full_matrices=False)
    assert torch.allclose(s, dense_s[:m], rtol=0, atol=1e-12)
    assert torch.allclose(u.mT @ u, torch.eye(m, dtype=u.dtype), rtol=0, atol=1e-12)
    assert torch.allclose(v @ v.mT, torch.eye(m, dtype=v.dtype), rtol=0, atol=1e-12)
    signs = (dense_u[:, :m] * u).sum(0).sign()  # singular vectors are unique up to their sign
    assert torch.allclose(u * signs, dense_u[:, :m], rtol=0, atol=1e-10)
    assert torch.allclose(v * signs[:, None], dense_v[:m], rtol=0, atol=1e-10)


def test_single_precision_is_decomposed_in_double() -> None:
    a, b = (factor.float() for factor in factors(3, 7, 9))
    svd = product_svd(a, b)
    assert svd.u.dtype == svd.s.dtype == svd.v.dtype == torch.float64
    assert torch.allclose(svd.u * svd.s @ svd.v, b.double() @ a.double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_nearest_product_of_a_rank_is_the_dense_svds(rank: int) -> None:
    a, b = factors(3, 7, 9)
    near_a, near_b = product_svd(a, b).nearest(rank)
    assert (near_a.shape, near_b.shape) == ((rank, 7), (9, rank))
    u, s, v = torch.linalg.svd(b @ a, full_matrices=False)
    assert torch.allclose(near_b @ near_a, u[:, :rank] * s[:rank] @ v[:rank], rtol=0, atol=1e-12)
    assert torch.allclose(near_a.square().sum(1), near_b.square().sum(0))


@pytest.mark.parametrize("more", [(), (2,)])
def test_padding_the_rank_leaves_the_product_unchanged(more: tuple[int, ...]) -> None:
    a, b = torch.rand(*more, 2, 5), torch.rand(*more, 4, 2)
    wide_a, wide_b = padded(a, b, 3)
    assert (wide_a.shape, wide_b.shape) == ((*more, 3, 5), (*more, 4, 3))
    assert torch.equal(wide_a[..., :2, :], a)
    assert torch.equal(wide_b[..., :2], b)
    assert not wide_a[..., 2:, :].any()
    assert not wide_b[..., 2:].any()


def test_a_fresh_a_is_uniform_between_one_over_the_root_of_its_width() -> None:
    a = fresh_a(3, 4, 25, torch.zeros(1, dtype=torch.float64), torch.Generator().manual_seed(0))
    assert (a.shape, a.dtype) == ((3, 4, 25), torch.float64)
    assert 0.19 < float(a.abs().max()) <= 0.2
    assert abs(float(a.mean())) < 0.02
