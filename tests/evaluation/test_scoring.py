"""Accuracies are those of an obvious loop, and a learner gets neither labels nor an order that reveals them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.evaluation.conftest import CountedImages, which
from tests.evaluation.scored import score_embedding

from freeshot.basics.errors import ContractError
from freeshot.contracts.method import Learner
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.metrics import concatenate
from freeshot.evaluation.scoring import Embedded, rows_of, score_tuning
from freeshot.ops.prototypes import prototype_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Generator, Tensor

    from freeshot.contracts.method import Predictor
    from freeshot.contracts.tensors import Episode, Shots

CPU = torch.device("cpu")
IMAGES = CountedImages((30, 30, 30, 30))
LABELS = IMAGES.labels
EPISODES = draw_episodes(LABELS, 3, 2, 5, 7, 40)
TABLE = torch.randn(len(IMAGES), 6, generator=torch.Generator().manual_seed(3)) + torch.from_numpy(LABELS).view(-1, 1)


class TableLearner(Learner):
    """Embed image i as row i of a table, and record the images."""

    def __init__(self, change: Callable[[Tensor], Tensor] = lambda features: features) -> None:
        self.shown: list[int] = []
        self.change = change

    def embed(self, images: Tensor) -> Tensor:
        self.shown += which(images)
        return self.change(TABLE[which(images)])


class Tuned(Learner):
    """Score queries with a rule, and record the images."""

    def __init__(self, rule: Callable[[list[int], list[int]], Tensor]) -> None:
        self.rule = rule
        self.support_labels: list[int] = []
        self.queries: list[int] = []

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        classes = [int(LABELS[i]) for i in which(support.images)]
        self.support_labels = support.labels.tolist()

        def predict(images: Tensor) -> Tensor:
            self.queries = which(images)
            return self.rule(classes, self.queries)

        return predict


def accuracy(learner: Learner, episode: Episode) -> float:
    return score_tuning(learner, IMAGES, [episode], CPU, seed=0).accuracies[0]


def obvious_accuracy(episode: Episode) -> float:
    table = TABLE.double().numpy()
    means = [table[[i for i in episode.support if LABELS[i] == c]].mean(0) for c in episode.classes]
    guesses = [episode.classes[int(np.argmin([((table[i] - m) ** 2).sum() for m in means]))] for i in episode.query]
    return float(np.mean([guess == LABELS[i] for guess, i in zip(guesses, episode.query, strict=True)]))


def test_many_episodes_at_once_score_like_each_episode_alone() -> None:
    outcomes, _ = score_embedding(TableLearner(), IMAGES, EPISODES, CPU)
    assert outcomes.accuracies == pytest.approx([obvious_accuracy(episode) for episode in EPISODES], abs=1e-12)


def test_probabilities_are_those_that_predict_reports() -> None:
    outcomes, _ = score_embedding(TableLearner(), IMAGES, EPISODES[:1], CPU)
    support, query = (TABLE[list(part)] for part in (EPISODES[0].support, EPISODES[0].query))
    labels = torch.arange(3).repeat_interleave(2)
    probabilities = prototype_logits(query, support, labels, 3, distance="euclidean").softmax(1)
    assert outcomes.confidence[0] == pytest.approx(probabilities.amax(1).numpy(), rel=1e-4)


class CustomHeadLearner(TableLearner):
    """Classify with a custom head."""

    def __init__(self, head: Callable[[Tensor, Tensor, int], Tensor]) -> None:
        super().__init__()
        self.head = head

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        return self.head(support, query, way)


def test_a_custom_head_classifies() -> None:
    by_dot = CustomHeadLearner(lambda support, query, way: query @ support.reshape(len(support), way, -1, 6).mean(2).mT)
    outcomes, embedded = score_embedding(by_dot, IMAGES, EPISODES, CPU)
    rows = {image: embedded.features[row] for row, image in enumerate(embedded.images)}
    for accuracy, episode in zip(outcomes.accuracies, EPISODES, strict=True):
        means = torch.stack([rows[i] for i in episode.support]).view(3, 2, -1).mean(1)
        taken = [int((rows[i] @ means.T).argmax()) for i in episode.query]
        assert accuracy == pytest.approx(np.mean([t == n // 5 for n, t in enumerate(taken)]))


def test_a_custom_head_can_use_the_default_head() -> None:
    default = TableLearner()
    delegating = CustomHeadLearner(lambda support, query, way: Learner.classify(default, support, query, way))
    expected, actual = (score_embedding(learner, IMAGES, EPISODES, CPU)[0] for learner in (default, delegating))
    assert actual.accuracies == expected.accuracies
    assert actual.brier == pytest.approx(expected.brier, abs=1e-4)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [(lambda s, q, way: q[..., :2], "must score"), (lambda s, q, way: q[..., :way] * float("inf"), "not all finite")],
)
def test_a_head_with_invalid_scores_is_an_error(head: Callable[[Tensor, Tensor, int], Tensor], complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        score_embedding(CustomHeadLearner(head), IMAGES, EPISODES, CPU)


def test_a_head_that_scores_by_position_is_right_by_chance() -> None:
    def by_position(support: Tensor, query: Tensor, way: int) -> Tensor:
        blocks = torch.arange(way).repeat_interleave(query.shape[1] // way)
        return torch.nn.functional.one_hot(blocks, way).expand(len(query), -1, -1).float()

    outcomes, _ = score_embedding(CustomHeadLearner(by_position), IMAGES, EPISODES, CPU)
    assert np.mean(outcomes.accuracies) == pytest.approx(1 / 3, abs=0.08)


def test_a_head_that_fits_is_not_tuning_free() -> None:
    class Fitting(TableLearner):
        fits_head = True

    assert TableLearner().tuning_free
    assert not Fitting().tuning_free
    assert Fitting().embeds


def test_features_are_returned_with_the_indices_of_their_images() -> None:
    _, embedded = score_embedding(TableLearner(), IMAGES, EPISODES, CPU)
    assert torch.equal(embedded.features, TABLE[list(embedded.images)])


def test_every_used_image_is_embedded_exactly_once() -> None:
    learner = TableLearner()
    score_embedding(learner, IMAGES, EPISODES, CPU)
    assert sorted(learner.shown) == sorted({i for e in EPISODES for i in (*e.support, *e.query)})


@pytest.mark.parametrize("image", [1, 9])
def test_an_episode_with_an_image_without_features_is_an_error(image: int) -> None:
    embedded = Embedded((4, 0, 2), torch.zeros(3, 6), torch.arange(3))
    assert rows_of(embedded, [(0, 4), (2, 2)]).tolist() == [[1, 0], [2, 2]]
    with pytest.raises((AssertionError, IndexError)):
        rows_of(embedded, [(0, image)])


def test_an_image_that_no_episode_uses_is_never_read() -> None:
    images = CountedImages((30, 30, 30, 30))
    score_embedding(TableLearner(), images, EPISODES[:1], CPU)
    assert set(images.reads) == {*EPISODES[0].support, *EPISODES[0].query}


@pytest.mark.parametrize("wrong", [lambda f: f[:-1], lambda f: f[0], lambda f: f.unsqueeze(2)])
def test_features_of_a_wrong_shape_are_an_error(wrong: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ContractError, match="must embed"):
        score_embedding(TableLearner(wrong), IMAGES, EPISODES, CPU)


def test_features_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ContractError, match="not all finite"):
        score_embedding(TableLearner(lambda f: f.log()), IMAGES, EPISODES, CPU)


def perfect(classes: Sequence[int], queries: Sequence[int]) -> Tensor:
    """Score every query by its true class; the support of 3 classes × 2 shots gives the order of classes."""
    order = list(classes)[::2]
    return torch.eye(3)[[order.index(int(LABELS[i])) for i in queries]]


def test_a_learner_with_the_true_labels_is_always_right() -> None:
    assert [accuracy(Tuned(perfect), e) for e in EPISODES[:5]] == [1.0] * 5


def test_a_constant_prediction_is_right_by_chance() -> None:
    constant = Tuned(lambda _, queries: torch.eye(3)[[0] * len(queries)])
    assert accuracy(constant, EPISODES[0]) == pytest.approx(1 / 3)


def test_a_learner_that_scores_by_position_is_right_by_chance() -> None:
    by_position = Tuned(lambda _, queries: torch.eye(3).repeat_interleave(len(queries) // 3, 0))
    assert abs(float(np.mean([accuracy(by_position, e) for e in EPISODES])) - 1 / 3) < 0.1


def test_queries_are_all_shown_once_in_another_order() -> None:
    learner = Tuned(perfect)
    score_tuning(learner, IMAGES, EPISODES[:1], CPU, seed=0)
    assert sorted(learner.queries) == sorted(EPISODES[0].query)
    assert learner.queries != list(EPISODES[0].query)


def test_the_support_has_its_labels() -> None:
    learner = Tuned(perfect)
    score_tuning(learner, IMAGES, EPISODES[:1], CPU, seed=0)
    assert learner.support_labels == [0, 0, 1, 1, 2, 2]


def test_a_predictor_of_a_wrong_shape_is_an_error() -> None:
    wrong = Tuned(lambda _, queries: torch.zeros(len(queries), 2))
    with pytest.raises(ContractError, match="must score 15 queries × 3 classes"):
        score_tuning(wrong, IMAGES, EPISODES[:1], CPU, seed=0)


class ByMeans(Learner):
    """Score queries by their products with the class means of table rows, a little noise added."""

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        rows = TABLE[which(support.flatten(0, 1))].view(len(support), way, -1, 6)
        means = rows.mean(2) + torch.stack([torch.randn(way, 6, generator=rng) for rng in rngs]) / 10  # [e, c, d]
        return lambda queries: TABLE[which(queries.flatten(0, 1))].view(len(queries), -1, 6) @ means.mT


class ByMeansOfOneEpisode(Learner):
    """Do the same for a single episode."""

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        predict = ByMeans().adapt_many(support.images.unsqueeze(0), way, [rng])
        return lambda queries: predict(queries.unsqueeze(0)).squeeze(0)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_group_scores_like_its_episodes_alone(size: int) -> None:
    alone = concatenate([score_tuning(ByMeansOfOneEpisode(), IMAGES, [e], CPU, seed=0) for e in EPISODES[:7]])
    groups = [EPISODES[start : min(start + size, 7)] for start in range(0, 7, size)]
    actual = concatenate([score_tuning(ByMeans(), IMAGES, group, CPU, seed=0) for group in groups])
    assert np.array_equal(actual.right, alone.right)
    assert actual.log_odds == pytest.approx(alone.log_odds, rel=1e-4, abs=1e-5)


def test_a_learner_has_exactly_one_interface() -> None:
    class Both(ByMeans, ByMeansOfOneEpisode):
        """Implement two interfaces."""

    assert not ByMeans().embeds
    assert not ByMeans().tuning_free
    for learner in (Both(), Learner()):
        with pytest.raises(ContractError, match="exactly one of embed, adapt and adapt_many"):
            _ = learner.embeds


def test_scores_that_are_not_finite_are_an_error_that_names_the_episode() -> None:
    class Spoilt(ByMeans):
        """Return NaN for the second episode."""

        def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
            predict = super().adapt_many(support, way, rngs)
            return lambda queries: predict(queries).index_fill(0, torch.tensor([1]), float("nan"))

    with pytest.raises(ContractError, match=f"episode {EPISODES[1].id} are not all finite"):
        score_tuning(Spoilt(), IMAGES, EPISODES[:3], CPU, seed=0)
