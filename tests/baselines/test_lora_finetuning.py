"""LoRA fine-tuning: many episodes at once are each episode alone, done by autograd on merged weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.baselines.conftest import WAY, streams
from torch.nn.functional import cross_entropy

from freeshot.engine import LoraBank, merge, slots_of
from freeshot.engine.lora.meta_model import factors_of
from freeshot_baselines.adaptation.grid_search import Setting
from freeshot_baselines.adaptation.lora_finetuning import LoraFinetuning, LoraLearner

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot import LoraPool
    from freeshot.engine import EpisodeBackbone

Episodes = tuple["Tensor", "Tensor"]
SETTING = Setting(1e-2, 4, "prototype")
GRID: dict[str, Any] = {"lrs": (1e-3, 1e-2), "steps": (1, 2), "trials": 3}


def learner(trunk: EpisodeBackbone, setting: Setting = SETTING, **options: Any) -> LoraLearner:
    return LoraLearner(trunk, LoraFinetuning(rank=2, **options), None, setting, 3)


def slow(trunk: EpisodeBackbone, support: Tensor, queries: Tensor, index: int) -> Tensor:
    """Tune one episode with the LoRA written into the weights by hand."""
    from torch.func import functional_call

    vit = trunk.vit
    (rng,) = streams(1, index)
    bank = LoraBank.fresh(vit, slots_of(vit), 2, 1, rng)
    labels = torch.arange(WAY).repeat_interleave(2)

    def features(images: Tensor) -> Tensor:
        weights: dict[str, Tensor] = {}
        for p, slot in enumerate(bank.slots):
            name = f"{slot.module}.weight"
            weight = weights.get(name, vit.get_parameter(name))
            change = torch.zeros_like(weight)
            rows = torch.arange(slot.start, slot.stop)
            weights[name] = weight + change.index_add(0, rows, bank.b[p][0] @ bank.a[p][0])
        actual: Tensor = functional_call(vit, weights, (trunk.normalize(images),))
        return actual

    with torch.no_grad():
        means = torch.stack([features(support)[labels == c].mean(0) for c in range(WAY)])
    root = means.shape[1] ** -0.5
    weight, bias = (2 * root * means).requires_grad_(), (-root * means.square().sum(1)).requires_grad_()
    optimizer = torch.optim.Adam([*bank.parameters(), weight, bias], lr=1e-2)
    for _ in range(4):
        optimizer.zero_grad()
        cross_entropy(features(support) @ weight.T + bias, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        scores: Tensor = features(queries) @ weight.T + bias
        return scores


def test_a_group_is_tuned_as_each_episode_alone_by_hand(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    support, queries = episodes
    actual = learner(trunk).adapt_many(support, WAY, streams(3))(queries)
    for index in range(3):
        assert torch.allclose(actual[index], slow(trunk, support[index], queries[index], index), atol=1e-7)


def test_a_long_run_passes_through_the_shorter_ones(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    support, queries = episodes
    passed = {
        setting.steps: predict(queries)
        for setting, predict in learner(trunk, steps=(1, 3)).tune(support, WAY, streams(3))
    }
    for steps, scores in passed.items():
        alone = learner(trunk, Setting(1e-2, steps, "prototype")).adapt_many(support, WAY, streams(3))
        assert torch.equal(scores, alone(queries))


def test_tuning_fits_the_support_and_does_not_change_the_trunk(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    before = copy.deepcopy(trunk.vit.state_dict())
    predict = learner(trunk, Setting(3e-2, 40, "zero")).adapt_many(episodes[0], WAY, streams(3))
    assert torch.equal(predict(episodes[0]).argmax(-1), torch.arange(WAY).repeat_interleave(2).expand(3, -1))
    assert all(torch.equal(before[name], weight) for name, weight in trunk.vit.state_dict().items())


def test_tuning_starts_from_the_average_if_requested(
    trunk: EpisodeBackbone, episodes: Episodes, pool: LoraPool
) -> None:
    from freeshot_baselines.composition.averages import LoraAverage

    average = LoraAverage(rank=2).compose(pool.entries)
    started = LoraLearner(trunk, LoraFinetuning(start="average", rank=2), average, Setting(0, 1, "prototype"), 3)
    actual = started.adapt_many(episodes[0], WAY, streams(3))(episodes[1])
    factors = {slot: (a[None].double(), b[None].double()) for slot, (a, b) in factors_of(average).items()}
    merged = merge(trunk.vit, LoraBank(factors))
    support_features, query_features = (
        merged(trunk.normalize(part.flatten(0, 1))).view(3, -1, 48) for part in episodes
    )
    means = support_features.view(3, WAY, 2, -1).mean(2)
    nearest = (query_features.unsqueeze(2) - means.unsqueeze(1)).square().sum(-1).argmin(-1)
    assert torch.equal(actual.argmax(-1), nearest)


@pytest.mark.parametrize("start", ["zero", "average"])
def test_the_whole_grid_is_on_record_and_the_best_of_it_is_chosen(toy: Toy, start: Any) -> None:
    method = LoraFinetuning(start=start, **GRID)
    bench = toy.bench(method)
    method.prepare(bench)
    facts = bench.stages[0].facts
    tried = facts["validation_accuracy"]
    assert len(tried) == 2 * 2 * 2
    chosen = Setting(facts["lr"], facts["steps"], facts["head"])
    assert tried[str(chosen)] == max(tried.values())


def test_its_row_is_tuned_and_uses_real_validation_images(toy: Toy) -> None:
    options = ("lrs=0.001", "steps=2", "trials=2")
    record = toy.record("lora-finetuning", suite=None, options=options)
    assert (record.status, record.tags.tuning_free, record.tags.data_free) == ("ok", False, "real data")
