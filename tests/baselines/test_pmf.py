"""P>M>F: cosine to class means, tuned on copies; the rate 0 is the untuned prototype network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.baselines.conftest import WAY, streams
from torch.nn.functional import cosine_similarity, cross_entropy

from freeshot.engine import LoraBank, slots_of
from freeshot_baselines.adaptation.augmentation import augmented
from freeshot_baselines.adaptation.pmf import Pmf, PmfLearner

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot.engine import EpisodeBackbone

Episodes = tuple["Tensor", "Tensor"]
LABELS = torch.arange(WAY).repeat_interleave(2)
GRID: dict[str, Any] = {"lrs": (0.0, 1e-2), "steps": 2, "trials": 3}


def cosines(query: Tensor, support: Tensor) -> Tensor:
    """Score queries [q, d] of one episode, slowly."""
    means = torch.stack([support[c == LABELS].mean(0) for c in range(WAY)])
    return 10 * torch.stack([cosine_similarity(q.unsqueeze(0), means, dim=1) for q in query])


def test_rate_zero_is_the_untuned_cosine_to_class_means(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    support, queries = episodes
    actual = PmfLearner(trunk, Pmf(), None, 0.0, 3).adapt_many(support, WAY, streams(3))(queries)
    for e in range(3):
        support_features, query_features = (trunk.vit(trunk.normalize(part[e])) for part in episodes)
        assert torch.allclose(actual[e], cosines(query_features, support_features), atol=1e-9)


def test_a_group_is_tuned_as_each_episode_alone(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    support, queries = episodes
    actual = PmfLearner(trunk, Pmf(rank=2, steps=3), None, 1e-2, 3).adapt_many(support, WAY, streams(3))(queries)
    for e, rng in enumerate(streams(3)):
        bank = LoraBank.fresh(trunk.vit, slots_of(trunk.vit), 2, 1, rng)
        optimizer = torch.optim.Adam(bank.parameters(), lr=1e-2)
        for _ in range(3):
            copies = augmented(support[e : e + 1], [rng])
            support_features, changed = (trunk.features(part, bank)[0] for part in (support[e : e + 1], copies))
            optimizer.zero_grad()
            cross_entropy(cosines(changed, support_features), LABELS).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            support_features, query_features = (trunk.features(part[e : e + 1], bank)[0] for part in (support, queries))
            assert torch.allclose(actual[e], cosines(query_features, support_features), atol=1e-8)


def test_rates_are_compared_on_validation_tasks(toy: Toy) -> None:
    method = Pmf(**GRID)
    bench = toy.bench(method)
    method.prepare(bench)
    facts = bench.stages[0].facts
    assert list(facts["validation_accuracy"]) == ["lr 0", "lr 0.01"]
    assert facts["validation_accuracy"][f"lr {facts['lr']:g}"] == max(facts["validation_accuracy"].values())


@pytest.mark.parametrize("start", ["zero", "real-data"])
def test_it_runs_with_meta_training_and_without(toy: Toy, start: str) -> None:
    options = (f"start={start}", "lrs=0.001", "steps=1", "trials=2", "learner.iterations=2", "learner.warmup=1")
    record = toy.record("pmf", suite=None, options=options)
    assert (record.status, record.tags.tuning_free, record.tags.data_free) == ("ok", False, "real data")
    assert ("meta-learning" in [stage.stage for stage in record.stages]) == (start == "real-data")
