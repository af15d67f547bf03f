"""Full fine-tuning starts from the given head, records its grid search, and tunes each episode on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests import slowly
from torch import nn
from torch.func import functional_call

from freeshot.contracts.tensors import Shots
from freeshot.ops.prototypes import prototype_logits
from freeshot.testing import toy as world
from freeshot_baselines.adaptation.heads import initial_head
from freeshot_baselines.full_finetuning import FinetuningLearner, FullFinetuning, finetune

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Toy
    from torch import Tensor

RNG = torch.Generator()
WAY = 3
QUERIES = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(9))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.GELU(), nn.Flatten(), nn.Linear(32, 6))


def support(seed: int = 1) -> Shots:
    images = torch.rand(2 * WAY, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return Shots(images, torch.arange(WAY).repeat_interleave(2))


def logits_of(predict: object) -> Tensor:
    with torch.no_grad():
        logits: Tensor = predict(QUERIES)  # type: ignore[operator]
        return logits


@pytest.mark.parametrize("seed", range(5))
def test_the_prototype_head_decides_by_the_nearest_class_mean(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    features, queries = torch.randn(2 * WAY, 6, generator=rng), torch.randn(50, 6, generator=rng)
    labels = torch.arange(WAY).repeat_interleave(2)
    weight, bias = initial_head(features, labels, WAY, "prototype")
    assert torch.equal(
        (queries @ weight.mT + bias).argmax(1), prototype_logits(queries, features, labels, WAY).argmax(1)
    )


def test_the_zero_head_is_all_zeros() -> None:
    weight, bias = initial_head(torch.randn(6, 6), torch.arange(WAY).repeat_interleave(2), WAY, "zero")
    assert not weight.any()
    assert not bias.any()


@pytest.mark.parametrize("head", ["zero", "prototype"])
def test_a_long_run_passes_through_the_shorter_ones(head: str) -> None:
    together = finetune(network(), support(), WAY, 1e-2, (1, 3, 6), head)
    for steps, tuned in together:
        ((_, alone),) = finetune(network(), support(), WAY, 1e-2, (steps,), head)
        assert torch.equal(logits_of(tuned), logits_of(alone))


def test_tuning_fits_the_support() -> None:
    ((_, tuned),) = finetune(network(), support(), WAY, 3e-2, (40,), "zero")
    with torch.no_grad():
        assert torch.equal(tuned(support().images).argmax(1), support().labels)


def test_tuning_does_not_change_the_network_that_it_starts_from() -> None:
    start = network()
    before = logits_of(start)
    list(finetune(start, support(), WAY, 1e-1, (5,), "zero"))
    assert torch.equal(logits_of(start), before)


def test_an_episode_does_not_depend_on_those_before_it() -> None:
    learner = FinetuningLearner(network(), 1e-2, (4,), "zero")
    first, _, again = (logits_of(learner.adapt(support(seed), WAY, RNG)) for seed in (1, 2, 1))
    assert torch.equal(first, again)


def tuned_by_hand(start: nn.Module, shots: Shots, lr: float, steps: int, head: str) -> list[Tensor]:
    """Return all weights, the head's in the end, after Adam written out: m̂ / (√v̂ + 1e-8), of every weight."""
    names = [name for name, _ in start.named_parameters()]
    weights = [weight.detach().clone() for weight in start.parameters()]
    with torch.no_grad():
        features = start(shots.images)
    means = torch.stack([slowly.class_mean(features, shots.labels, label) for label in range(WAY)])
    means = means if head == "prototype" else 0 * means
    scale = features.shape[1] ** -0.5
    weights += [2 * scale * means, -scale * means.pow(2).sum(1)]
    first, second = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    for step in range(1, steps + 1):
        leaves = [weight.clone().requires_grad_() for weight in weights]
        features = functional_call(start, dict(zip(names, leaves[:-2], strict=True)), shots.images)
        loss = slowly.cross_entropy(features @ leaves[-2].T + leaves[-1], shots.labels)
        for index, slope in enumerate(torch.autograd.grad(loss, leaves)):
            first[index] = 0.9 * first[index] + 0.1 * slope
            second[index] = 0.999 * second[index] + 0.001 * slope**2
            m, v = first[index] / (1 - 0.9**step), second[index] / (1 - 0.999**step)
            weights[index] = weights[index] - lr * m / (v.sqrt() + 1e-8)
    return weights


@pytest.mark.parametrize("head", ["zero", "prototype"])
def test_every_weight_is_tuned_by_adam_on_the_supports_cross_entropy(head: str) -> None:
    start = network().double()
    shots = Shots(support().images.double(), support().labels)
    ((_, tuned),) = finetune(start, shots, WAY, 1e-2, (3,), head)
    expected = tuned_by_hand(start, shots, 1e-2, 3, head)
    for actual, wanted in zip(tuned.parameters(), expected, strict=True):
        assert torch.allclose(actual, wanted, rtol=0, atol=1e-7)


GRID = {"lrs": (1e-3, 1e-2), "steps": (1, 2), "trials": 3}


def test_choosing_reads_validation_classes_only(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    load = world.ToyWaves.load

    def noted(self: world.ToyWaves, split: str, root: Path) -> world.ToyImages:
        opened.append(split)
        return load(self, split, root)

    monkeypatch.setattr(world.ToyWaves, "load", noted)
    method = FullFinetuning(**GRID)  # type: ignore[arg-type]
    method.prepare(toy.bench(method))
    assert opened == ["validation"]


def test_the_whole_grid_is_on_record_and_the_best_of_it_is_chosen(toy: Toy) -> None:
    method = FullFinetuning(**GRID)  # type: ignore[arg-type]
    bench = toy.bench(method)
    method.prepare(bench)
    facts = bench.stages[0].facts
    tried = facts["validation_accuracy"]
    assert len(tried) == 2 * 2 * 2
    assert tried[f"lr {facts['lr']:g}, {facts['steps']} steps, {facts['head']} head"] == max(tried.values())


def test_choosing_is_done_once(toy: Toy) -> None:
    method = FullFinetuning(**GRID)  # type: ignore[arg-type]
    benches = [toy.bench(method) for _ in range(2)]
    for bench in benches:
        method.prepare(bench)
    assert [bench.stages[0].cached for bench in benches] == [False, True]


def test_its_row_is_tuned_and_uses_real_validation_images(toy: Toy) -> None:
    tags = toy.record("full-finetuning").tags
    assert (tags.tuning_free, tags.data_free) == (False, "real data")
