"""DRO: one form for each LoRA, worst cases that stay in their ball, a hypernetwork that learns the pool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
import torch

from freeshot.basics.errors import DivergedError, OptionError
from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.engine import factors_of
from freeshot_baselines.composition.deltas import stacked_deltas
from freeshot_baselines.dro.factor_chunks import chunks_of, factor_distance, factored, product_distance
from freeshot_baselines.dro.hypernetwork import Hypernetwork, length, projected, standardized, start_moves, worst_moves
from freeshot_baselines.dro.method import Dro

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

Q, FC = Slot("blocks.0.attn.qkv", 0, 6), Slot("blocks.0.mlp.fc1", 0, 9)
WIDTHS = {Q: (5, 6), FC: (5, 9)}
SHORT = Dro(steps=30, hidden=8, embedding=3, search=10)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def entry(seed: int, rank: int = 2) -> LoraEntry:
    factors = {
        s: (normal(rank, i, seed=10 * seed), normal(o, rank, seed=10 * seed + 1)) for s, (i, o) in WIDTHS.items()
    }
    return LoraEntry(f"lora-{seed}", rank, factors, normal(2, 5), normal(2), ("a", "b"), (0, 1))


ENTRIES = tuple(entry(seed) for seed in range(4))


@pytest.mark.parametrize("mixing", range(3))
def test_all_factors_of_one_product_have_one_canonical_form(mixing: int) -> None:
    a, b = ENTRIES[0].factors[Q]
    other = normal(2, 2, seed=50 + mixing)  # any invertible matrix between them leaves the product as it is
    first, second = factored(b @ a, 2), factored((b @ other) @ (torch.linalg.inv(other) @ a), 2)
    for ours, theirs in zip(first, second, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-9)
    assert torch.allclose(first[1] @ first[0], b @ a, rtol=0, atol=1e-12)


def test_the_largest_entry_of_each_row_is_positive() -> None:
    a, b = factored(normal(6, 5), 4)
    assert all(row[row.abs().argmax()] > 0 for row in a)
    assert torch.allclose(a.norm(dim=1), b.norm(dim=0))  # singular values are shared evenly


def test_chunks_are_read_back_as_factors_of_the_same_products() -> None:
    mixed = (entry(0, rank=1), entry(1, rank=3))
    chunks = chunks_of(mixed)
    for slot, (a, b) in chunks.factors(chunks.values).items():
        assert a.shape[1:] == (3, WIDTHS[slot][0])
        assert torch.allclose(b @ a, stacked_deltas(mixed, slot), rtol=0, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 2])
def test_products_are_compared_without_being_formed(rank: int) -> None:
    chunks = chunks_of([*ENTRIES, entry(9, rank)])
    second, first = chunks.values, chunks.values.flip(0)
    slow = torch.zeros(5, dtype=torch.float64)
    for slot in WIDTHS:
        (a, b), (c, d) = chunks.factors(first)[slot], chunks.factors(second)[slot]
        squares = torch.stack([(b[i] @ a[i] - d[i] @ c[i]).square().sum() for i in range(5)])
        slow += squares / (d @ c).square().sum((1, 2)).mean() / len(WIDTHS)
    assert torch.allclose(product_distance(first, second, chunks), slow)


def test_factors_are_compared_slot_by_slot() -> None:
    chunks = chunks_of(ENTRIES)
    difference = (chunks.values - chunks.values.flip(0)).square()
    slow = (difference[:, 0, :22].mean(1) + difference[:, 1, :28].mean(1)) / 2  # 2 · (5 + 6) and 2 · (5 + 9) numbers
    assert torch.allclose(factor_distance(chunks.values, chunks.values.flip(0), chunks), slow)


def test_moves_stay_in_the_ball() -> None:
    moves = normal(7, 3)
    slow = (sum(float(move @ move) for move in moves) / 7) ** 0.5
    assert float(length(moves)) == pytest.approx(slow)
    assert float(length(projected(moves, 0.3))) == pytest.approx(0.3)
    assert torch.equal(projected(moves, 100), moves)
    assert float(length(start_moves((7, 3), 0.3, rng(), moves))) < 0.3


def test_the_worst_case_of_a_linear_loss_is_its_closed_form() -> None:
    """Of ⟨c, δ⟩ with √(mean ‖δ_i‖²) ≤ ρ the maximum is at δ = ρ·c / √(mean ‖c_i‖²)."""
    slopes = normal(5, 3)
    start = start_moves((5, 3), 0.3, rng(), slopes)
    actual = worst_moves(lambda moves: (slopes * moves).sum(), start, 0.3, 40)
    assert torch.allclose(actual, 0.3 * slopes / slopes.square().sum(1).mean().sqrt(), rtol=0, atol=1e-3)


def test_the_worst_case_is_worse_than_any_random_one() -> None:
    target, matrix = normal(5, 4, seed=1), normal(3, 4, seed=2)

    def loss(moves: Tensor) -> Tensor:
        return (moves @ matrix - target).square().sum()

    worst = worst_moves(loss, start_moves((5, 3), 0.5, rng(), target), 0.5, 30)
    others = [projected(10 * normal(5, 3, seed=seed), 0.5) for seed in range(50)]
    assert all(loss(worst) > loss(other) for other in others)
    assert float(length(worst)) == pytest.approx(0.5)


def test_without_a_radius_nothing_moves() -> None:
    assert not worst_moves(lambda moves: moves.sum(), normal(5, 3), 0.0, 3).any()


def test_embeddings_are_centred_and_of_length_one_on_average() -> None:
    actual = standardized(normal(6, 3))
    assert actual.mean(0).abs().max() < 1e-12
    assert float(length(actual)) == pytest.approx(1)


def test_a_hypernetwork_starts_from_its_stream_alone() -> None:
    chunks = chunks_of(ENTRIES).values
    starts = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        starts.append(Hypernetwork(chunks, 3, 8, rng()).state_dict())
    assert all(torch.equal(tensor, starts[1][name]) for name, tensor in starts[0].items())


@pytest.mark.parametrize("compare", ["factors", "product"])
def test_the_hypernetwork_learns_the_weights_of_the_pool(compare: Literal["factors", "product"]) -> None:
    chunks = chunks_of(ENTRIES)
    method = replace(SHORT, steps=400, hidden=32, radius=0.0, compare=compare)
    network, loss = method.fitted(chunks, rng())
    assert loss < 0.02  # of one: what all LoRAs have in common explains nothing here
    assert float(method.distance(network(network.tasks), chunks.values, chunks).mean()) < 0.02


def test_robust_weights_tolerate_moved_embeddings_better() -> None:
    chunks = chunks_of(ENTRIES)

    def worst(method: Dro) -> float:
        network, _ = method.fitted(chunks, rng())

        def misfit(moves: Tensor) -> Tensor:
            return method.distance(network(network.tasks + moves), chunks.values, chunks).mean()

        start = start_moves(tuple(network.tasks.shape), 0.5, rng(3), network.tasks)
        return float(misfit(worst_moves(misfit, start, 0.5, 20)))

    long = replace(SHORT, steps=300, hidden=32)
    assert worst(replace(long, radius=0.5)) < worst(replace(long, radius=0.0))


def test_the_robust_embedding_is_nearer_in_the_worst_case_than_the_mean() -> None:
    chunks = chunks_of(ENTRIES)
    method = replace(SHORT, steps=200, radius=0.5, search=200)
    network, _ = method.fitted(chunks, rng())

    def worst(embedding: Tensor) -> float:
        def away(moves: Tensor) -> Tensor:
            return method._away(network, chunks, embedding, moves)

        return float(away(worst_moves(away, start_moves(tuple(network.tasks.shape), 0.5, rng(3), embedding), 0.5, 30)))

    mean = replace(method, search=0).robust_embedding(network, chunks, rng())
    assert torch.allclose(mean, network.tasks.mean(0))
    assert worst(method.robust_embedding(network, chunks, rng())) < worst(mean)


def test_the_same_seed_gives_the_same_lora() -> None:
    first, again, other = (factors_of(SHORT.compose(ENTRIES, rng(seed)))[Q] for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert [tuple(x.shape) for x in first] == [(2, 5), (6, 2)]


def test_wrong_options_and_diverging_fits_are_errors() -> None:
    with pytest.raises(OptionError, match=r"Option 'radius' of 'dro' must not be negative, but is -1\.0\."):
        Dro(radius=-1.0)
    with pytest.raises(DivergedError, match="Lower its lr"):
        replace(SHORT, lr=1e300).compose(ENTRIES, rng())


def test_dro_uses_weights_alone(toy: Toy) -> None:
    record = toy.record("dro", options=("steps=3", "search=2"))
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
    assert not [stage for stage in record.stages if stage.stage == "inversion"]
