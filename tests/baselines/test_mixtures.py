"""Mixtures of a pool: stacked sums equal plain sums, episodes are tuned alone, and zero steps give other rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests import slowly
from tests.baselines.conftest import WAY, streams
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import OptionError
from freeshot.engine import LoraBank, forward, merge, slots_of_all
from freeshot.engine.lora.meta_model import factors_of
from freeshot.ops.prototypes import prototype_logits
from freeshot_baselines.adaptation.augmentation import augmented
from freeshot_baselines.adaptation.heads import leave_one_out
from freeshot_baselines.adaptation.support_loss import support_losses
from freeshot_baselines.composition import gradient_free as search
from freeshot_baselines.composition.averages import LoraAverage
from freeshot_baselines.composition.deltas import stacked_deltas, stacked_factors
from freeshot_baselines.composition.learned_mixtures import Composition, MixtureLearner, SdLora
from freeshot_baselines.composition.lora_mixture import LoraStack
from freeshot_baselines.composition.lorahub import LoraHub, LoraHubLearner, factor_sums
from freeshot_baselines.composition.mole import Mole, MoleLearner, routed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.conftest import Toy
    from torch import Tensor

    from freeshot import LoraEntry, LoraPool, Slot
    from freeshot.engine import EpisodeBackbone

Episodes = tuple["Tensor", "Tensor"]
LABELS = torch.arange(WAY).repeat_interleave(2)
RNG = torch.Generator().manual_seed(2)


@pytest.fixture(scope="session")
def entries(pool: LoraPool) -> tuple[LoraEntry, ...]:
    """Return the toy LoRAs in double precision and much stronger; the last has a smaller rank."""
    strong = [
        replace(e, factors={slot: (a.double(), 10 * b.double()) for slot, (a, b) in e.factors.items()})
        for e in pool.entries
    ]
    cut = {slot: (a[:1], b[:, :1]) for slot, (a, b) in strong[-1].factors.items()}
    return (*strong[:-1], replace(strong[-1], rank=1, factors=cut))


def stack_of(trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], *, unit: bool = False) -> LoraStack:
    return LoraStack.of(entries, trunk.like, unit=unit)


def features_with(trunk: EpisodeBackbone, deltas: Mapping[Slot, Tensor], images: Tensor) -> Tensor:
    """Embed images [n, 3, h, w] with matrices added into the weights, slowly."""
    whole = {slot: (torch.eye(delta.shape[1], dtype=delta.dtype)[None], delta[None]) for slot, delta in deltas.items()}
    with torch.no_grad():
        actual: Tensor = merge(trunk.vit, LoraBank(whole))(trunk.normalize(images))
    return actual


@pytest.mark.parametrize("per", ["lora", "layer"])
@pytest.mark.parametrize("unit", [False, True])
def test_a_stacked_sum_is_the_sum_of_products(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes, per: str, unit: bool
) -> None:
    stack = stack_of(trunk, entries, unit=unit)
    shape = [3, 4, *([len(stack.slots)] if per == "layer" else [])]
    weights = torch.randn(shape, generator=RNG, dtype=torch.float64)
    actual = forward(trunk, episodes[0].flatten(0, 1), stack.mixed(weights)).features.view(3, 2 * WAY, -1)
    for e in range(3):
        deltas = {}
        for s, slot in enumerate(stack.slots):
            each = stacked_deltas(entries, slot)
            if unit:
                each = torch.stack(
                    [
                        d / x.factors[slot][0].norm() / x.factors[slot][1].norm()
                        for d, x in zip(each, entries, strict=True)
                    ]
                )
            w = weights[e] if per == "lora" else weights[e, :, s]
            deltas[slot] = sum(float(w[i]) * each[i] for i in range(4))
        assert torch.allclose(actual[e], features_with(trunk, deltas, episodes[0][e]), atol=1e-8)  # type: ignore[arg-type]


def test_many_loras_are_summed_before_they_act(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes
) -> None:
    weights = torch.randn(3, 30, 4, generator=RNG, dtype=torch.float64) / 10
    images = episodes[0].flatten(0, 1)
    many = forward(trunk, images, stack_of(trunk, entries * 30).mixed(weights.flatten(1))).features
    few = forward(trunk, images, stack_of(trunk, entries).mixed(weights.sum(1))).features
    assert torch.allclose(many, few, atol=1e-8)


def test_stacked_factors_have_zeros_where_there_is_nothing(entries: tuple[LoraEntry, ...]) -> None:
    slot = slots_of_all(entries)[0]
    without = (*entries, replace(entries[0], factors={k: v for k, v in entries[0].factors.items() if k != slot}))
    a, b = stacked_factors(without, slot)
    assert torch.allclose(b @ a, stacked_deltas(without, slot), atol=1e-12)
    assert not a[-1].any()
    assert not b[-1].any()


def test_the_support_loss_uses_means_without_the_image_or_augmented_copies(episodes: Episodes) -> None:
    support = episodes[0]

    def flat(images: Tensor) -> Tensor:
        return images.flatten(2)

    losses = support_losses(flat, support, WAY, streams(3))
    for e in range(3):
        own = cross_entropy(leave_one_out(flat(support)[e : e + 1], WAY)[0], LABELS)
        assert float(losses[e]) == pytest.approx(float(own), abs=1e-9)
    single, labels = support[:, ::2], torch.arange(WAY)
    copies = augmented(single, streams(3))
    for given in (None, copies):
        losses = support_losses(flat, single, WAY, streams(3), given)
        for e in range(3):
            scores = prototype_logits(flat(copies)[e], flat(single)[e], labels, WAY, distance="euclidean")
            assert float(losses[e]) == pytest.approx(float(cross_entropy(scores, labels)), abs=1e-9)


@pytest.mark.parametrize("form", ["softmax", "free"])
def test_composition_without_a_step_is_the_average(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes, form: Any
) -> None:
    support, queries = episodes
    learner = MixtureLearner(trunk, stack_of(trunk, entries), Composition(form=form, steps=0), 3)
    actual = learner.adapt_many(support, WAY, streams(3))(queries)
    deltas = {slot: b @ a for slot, (a, b) in factors_of(LoraAverage().compose(entries)).items()}
    for e in range(3):
        support_features, query_features = (features_with(trunk, deltas, part[e]) for part in episodes)
        assert torch.allclose(
            actual[e], prototype_logits(query_features, support_features, LABELS, WAY, distance="euclidean"), atol=1e-6
        )


def test_zero_magnitude_is_the_backbone(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes
) -> None:
    method = SdLora(magnitude=0.0, steps=0)
    actual = MixtureLearner(trunk, stack_of(trunk, entries, unit=True), method, 3).adapt_many(
        episodes[0], WAY, streams(3)
    )
    support_features, query_features = (trunk.features(part) for part in episodes)
    expected = prototype_logits(query_features, support_features, LABELS.expand(3, -1), WAY, distance="euclidean")
    assert torch.allclose(actual(episodes[1]), expected, atol=1e-9)


LEARNERS: dict[str, Any] = {
    "composition": lambda trunk, stack, count: MixtureLearner(trunk, stack, Composition(steps=3), count),
    "composition by layer": lambda trunk, stack, count: MixtureLearner(
        trunk, stack, Composition(form="free", per="layer", steps=3), count
    ),
    "sd-lora": lambda trunk, stack, count: MixtureLearner(trunk, stack, SdLora(steps=3), count),
    "mole": lambda trunk, stack, count: MoleLearner(trunk, stack, Mole(steps=3), count),
    "lorahub": lambda trunk, stack, count: LoraHubLearner(
        trunk, LoraHub(candidates=3, budget=6), stack.loras, stack.mixed, count
    ),
}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("shot", [1, 2])
def test_a_group_is_tuned_as_each_episode_alone(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes, name: str, shot: int
) -> None:
    support, queries = episodes[0][:, :: 3 - shot], episodes[1]
    stack = stack_of(trunk, entries)
    actual = LEARNERS[name](trunk, stack, 3).adapt_many(support, WAY, streams(3))(queries)
    for e in range(3):
        alone = LEARNERS[name](trunk, stack, 1).adapt_many(support[e : e + 1], WAY, streams(1, e))(queries[e : e + 1])
        assert torch.allclose(actual[e], alone[0], atol=1e-7)


def test_a_step_of_composition_descends_the_gradient_of_one_episode(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes
) -> None:
    support, queries = (part[:1] for part in episodes)
    stack = stack_of(trunk, entries)
    method = Composition(form="free", lr=0.05, steps=1)
    actual = MixtureLearner(trunk, stack, method, 1).adapt_many(support, WAY, streams(1))(queries)
    weights = torch.full((4,), 0.25, dtype=torch.float64)

    def loss(w: Tensor) -> float:
        support_features = forward(trunk, support[0], stack.mixed(w[None])).features
        return float(cross_entropy(leave_one_out(support_features[None], WAY)[0], LABELS))

    slope = torch.tensor([loss(weights + d) - loss(weights - d) for d in 1e-5 * torch.eye(4, dtype=torch.float64)])
    moved = (weights - 0.05 * slope.sign())[None]  # Adam's first step has the length of its rate
    support_features, query_features = (
        forward(trunk, part[0], stack.mixed(moved)).features for part in (support, queries)
    )
    assert torch.allclose(
        actual[0], prototype_logits(query_features, support_features, LABELS, WAY, distance="euclidean"), atol=1e-4
    )


@pytest.mark.parametrize("per", ["lora", "layer"])
def test_shares_of_a_composition_sum_to_one_over_the_loras_of_each_layer(per: Any) -> None:
    layers = 3 if per == "layer" else 1
    parameters = torch.randn(2, 4, layers, generator=RNG, dtype=torch.float64)
    shape = (2, 4, 3) if per == "layer" else (2, 4)
    actual = Composition(per=per).weights(parameters.view(shape)).view(2, 4, layers)
    for e in range(2):
        for s in range(layers):
            powers = [math.exp(parameters[e, lora, s]) for lora in range(4)]
            assert actual[e, :, s].tolist() == pytest.approx([power / sum(powers) for power in powers], abs=1e-12)


def test_steps_of_mole_tune_the_gate_by_adam_on_the_loss_of_one_episode(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes
) -> None:
    support, queries = (part[0] for part in episodes)
    stack, method = stack_of(trunk, entries), Mole(lr=0.2, steps=2)

    def features(images: Tensor, gate: Tensor) -> Tensor:
        """Route image by image; LoRAs that are not chosen have weight 0."""
        weights = []
        for frozen in trunk.features(images[None])[0]:
            scores = gate @ (frozen / frozen.norm())
            best = scores.argsort(descending=True)[:2]
            weights.append(torch.zeros(4, dtype=torch.float64).index_put((best,), slowly.shares(scores[best])))
        return forward(trunk, images, stack.mixed(torch.stack(weights))).features

    (stream,) = streams(1)
    start = method.init_std * torch.randn(4, 48, generator=stream)
    gate = start.double().requires_grad_()
    optimizer = torch.optim.Adam([gate], lr=method.lr)
    for _ in range(2):
        optimizer.zero_grad()
        scores = slowly.leave_one_out_logits(features(support, gate), LABELS, WAY)
        slowly.cross_entropy(scores, LABELS).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    actual = MoleLearner(trunk, stack, method, 1).adapt_many(support[None], WAY, streams(1))(queries[None])[0]
    with torch.no_grad():
        tuned, untuned = (
            slowly.nearest_mean_logits(features(queries, g), features(support, g), LABELS, WAY)
            for g in (gate, start.double())
        )
    assert torch.allclose(actual, tuned, atol=1e-6)
    assert not torch.allclose(actual, untuned, atol=1e-3)


def test_a_gate_keeps_the_best_and_their_weights_sum_to_one() -> None:
    features, gate = (torch.randn(*shape, generator=RNG, dtype=torch.float64) for shape in ((2, 5, 6), (2, 4, 6)))
    chosen, weights = routed(features, gate, 2)
    for e in range(2):
        for n in range(5):
            scores = (gate[e] @ (features[e, n] / features[e, n].norm())).numpy()
            kept = np.argsort(-scores)[:2]
            shares = np.exp(scores[kept]) / np.exp(scores[kept]).sum()
            assert chosen[e, n].tolist() == kept.tolist()
            assert weights[e, n].numpy() == pytest.approx(shares)


def test_a_gate_that_picks_one_keeps_its_share_among_all_and_learns() -> None:
    features = torch.randn(2, 5, 6, generator=RNG, dtype=torch.float64)
    gate = torch.randn(2, 4, 6, generator=RNG, dtype=torch.float64).requires_grad_()
    chosen, weights = routed(features, gate, 1)
    for e in range(2):
        for n in range(5):
            scores = gate[e].detach() @ (features[e, n] / features[e, n].norm())
            assert chosen[e, n].tolist() == [int(scores.argmax())]
            assert float(weights[e, n].detach()) == pytest.approx(float(scores.softmax(0).max()))
    weights.sum().backward()  # type: ignore[no-untyped-call]
    assert gate.grad is not None
    assert gate.grad.abs().max() > 0


def test_a_few_chosen_loras_are_a_sum_with_zeros(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes
) -> None:
    stack, images = stack_of(trunk, entries), episodes[0][:1].flatten(0, 1)
    chosen = torch.tensor([[0, 1], [3, 2], [2, 0], [1, 3], [0, 2], [3, 1]])
    weights = torch.rand(6, 2, generator=RNG, dtype=torch.float64)
    whole = torch.zeros(6, 4, dtype=torch.float64).scatter(1, chosen, weights)
    few, all_of_them = (
        forward(trunk, images, mix).features for mix in (stack.chosen(chosen, weights), stack.mixed(whole))
    )
    assert torch.allclose(few, all_of_them, atol=1e-9)


def test_a_search_finds_a_minimum_starts_at_zero_and_stays_in_bounds() -> None:
    wanted = torch.tensor([[0.5, -1.0], [3.0, 0.2]], dtype=torch.float64)
    evaluated: list[Tensor] = []

    def losses(coefficients: Tensor) -> Tensor:
        evaluated.append(coefficients)
        return (coefficients - wanted).square().sum(1)

    first, again = (search.search_coefficients(losses, 2, 1.5, 60, "NGOpt", streams(2)) for _ in range(2))
    assert torch.equal(first, again)
    assert len(evaluated) == 2 * 60
    assert torch.stack(evaluated).abs().max() <= 1.5
    assert torch.allclose(first, wanted.clamp(-1.5, 1.5), atol=0.3)


def test_searching_leaves_the_global_streams_alone() -> None:
    states = torch.random.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    search.search_coefficients(lambda coefficients: coefficients.square().sum(1), 3, 1.5, 5, "NGOpt", streams(1))
    assert torch.equal(states[0], torch.random.get_rng_state())
    assert states[1] == str(np.random.get_state())  # noqa: NPY002


def test_without_nevergrad_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nevergrad", None)
    with pytest.raises(OptionError, match=r"pip install 'freeshot\[search\]'"):
        search.nevergrad()


@pytest.mark.parametrize("space", ["factors", "delta"])
def test_lorahub_mixes_factors_or_products(toy: Toy, trunk: EpisodeBackbone, episodes: Episodes, space: Any) -> None:
    entries, weights = toy.bench(LoraHub()).pool().entries, torch.randn(1, 4, generator=RNG, dtype=torch.float64)
    of_pool = factor_sums(entries, trunk.like) if space == "factors" else stack_of(trunk, entries).mixed
    mixed = of_pool(weights)
    deltas = {}
    for slot in slots_of_all(entries):
        a, b = (f.double() for f in stacked_factors(entries, slot))
        w = weights[0].view(-1, 1, 1)
        deltas[slot] = (w * b).sum(0) @ (w * a).sum(0) if space == "factors" else (w * (b @ a)).sum(0)
    actual = trunk.features(episodes[0][:1], mixed)[0]
    assert torch.allclose(actual, features_with(trunk, deltas, episodes[0][0]), atol=1e-9)
    assert not torch.allclose(actual, trunk.features(episodes[0][:1])[0], atol=1e-4)


def test_a_search_of_lorahub_minimises_the_supports_loss_and_a_penalty_on_coefficients(
    trunk: EpisodeBackbone, entries: tuple[LoraEntry, ...], episodes: Episodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    actual = torch.tensor([[1.2, -0.4, 0.0], [-1.5, 0.3, 0.9], [0.1, 0.0, -0.2]], dtype=torch.float64)
    received: list[Tensor] = []

    def search_coefficients(losses: Callable[[Tensor], Tensor], size: int, *_: object) -> Tensor:
        assert size == 3
        received.append(losses(actual))
        return actual

    monkeypatch.setattr(search, "search_coefficients", search_coefficients)
    stack, method = stack_of(trunk, entries), LoraHub(candidates=3)
    LoraHubLearner(trunk, method, 4, stack.mixed, 3).adapt_many(episodes[0], WAY, streams(3))
    for e, stream in enumerate(streams(3)):
        candidates = torch.randperm(4, generator=stream)[:3].tolist()
        deltas: dict[Slot, Tensor] = {}
        for slot in stack.slots:
            each = stacked_deltas(entries, slot)
            deltas[slot] = torch.stack([actual[e, index] * each[lora] for index, lora in enumerate(candidates)]).sum(0)
        scores = slowly.leave_one_out_logits(features_with(trunk, deltas, episodes[0][e]), LABELS, WAY)
        penalty = 0.05 * sum(abs(weight) for weight in actual[e].tolist()) / 3
        assert float(received[0][e]) == pytest.approx(float(slowly.cross_entropy(scores, LABELS)) + penalty, abs=1e-7)


@pytest.mark.parametrize("method", ["composition", "sd-lora", "mole", "lorahub"])
def test_a_learned_mixture_is_strictly_data_free_and_tuned(toy: Toy, method: str) -> None:
    options = ("budget=3",) if method == "lorahub" else ("steps=2",)
    record = toy.record(method, suite=None, options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", False)
    assert "pool" in record.hashes
