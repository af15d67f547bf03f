"""The audit accepts predictions that follow from the images alone, and names the cause of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from freeshot.contracts.tensors import Episode
from freeshot.evaluation.audit import SAMPLE, Auditor
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.metrics import concatenate, score_queries
from freeshot.evaluation.outcomes import Outcomes, gains_by_numbering, too_many
from freeshot.evaluation.variations import EVERYTHING, Shown, Variation, show

WAY, SHOT, QUERY = 4, 2, 6
LABELS = np.repeat(np.arange(7), 20)
EPISODES = draw_episodes(LABELS, WAY, SHOT, QUERY, 3, 60)
FEATURES = torch.randn(len(LABELS), 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
FEATURES += torch.from_numpy(LABELS).view(-1, 1) * 0.7

Score = Callable[[Shown, "Scorer"], Tensor]
"""Scores one episode as shown: [k, c]."""


@dataclass(eq=False)
class Scorer:
    """Scores episodes by a rule; implements `Rescore`."""

    rule: Score
    drew: bool = False
    episodes_per_batch: int = 8
    calls: list[int] = field(default_factory=list)
    seen: int = 0

    def __call__(self, shown: Sequence[Shown]) -> Tensor:
        self.calls.append(len(shown))
        rows = []
        for view in shown:
            rows.append(self.rule(view, self))
            self.seen += 1
        return torch.stack(rows)

    def order_of(self, episode: Episode) -> Sequence[int]:
        return sorted(range(len(episode.query)), key=lambda i: (episode.query[i] * 7919) % 997)

    def run(self) -> Auditor:
        """Score all episodes as a run does, and return its auditor."""
        outcomes = []
        for episode in EPISODES:
            order = self.order_of(episode)
            logits = self([Shown(episode, tuple(order), tuple(range(WAY)))])
            listed = torch.empty_like(logits)
            listed[:, order] = logits
            outcomes.append(
                score_queries(listed.float(), torch.arange(WAY).repeat_interleave(QUERY), listed.argmax(-1))
            )
        self.calls.clear()
        return Auditor(self, concatenate(outcomes), EPISODES, rng=np.random.default_rng(5))


def nearest(shown: Shown, _: Scorer) -> Tensor:
    means = FEATURES[shown.support].view(WAY, SHOT, -1).mean(1)
    return -torch.cdist(FEATURES[shown.query], means)


def by_position(shown: Shown, _: Scorer) -> Tensor:
    blocks = torch.arange(len(shown.queries)) * WAY // len(shown.queries)
    return torch.nn.functional.one_hot(blocks, WAY).double()


def by_other_queries(shown: Shown, scorer: Scorer) -> Tensor:
    centre = FEATURES[shown.query].mean(0)
    return nearest(shown, scorer) + (FEATURES[shown.support].view(WAY, SHOT, -1).mean(1) @ centre)


def with_bias(shown: Shown, scorer: Scorer) -> Tensor:
    return nearest(shown, scorer) + torch.eye(WAY, dtype=torch.float64)[0]


def with_memory(shown: Shown, scorer: Scorer) -> Tensor:
    return nearest(shown, scorer) * (1 + scorer.seen / 20)


def at_random(shown: Shown, scorer: Scorer) -> Tensor:
    return torch.randn(len(shown.queries), WAY, dtype=torch.float64)


def test_predictions_that_follow_from_the_images_do_not_change() -> None:
    audit = Scorer(nearest).run().audit()
    assert audit.episodes == SAMPLE
    assert audit.changed == {"everything": 0}
    assert not audit.reasons


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        (by_position, "the order of the queries"),
        (by_other_queries, "the other queries of the episode"),
        (with_bias, "how the classes are numbered"),
        (with_memory, "other episodes or on earlier calls"),
        (at_random, "other episodes or on earlier calls"),
    ],
)
def test_the_cause_of_a_change_is_named(rule: Score, cause: str) -> None:
    audit = Scorer(rule).run().audit()
    assert f"Predictions depend on {cause}" in " ".join(audit.reasons)


def test_a_single_cause_is_named_alone() -> None:
    assert [Scorer(rule).run().audit().reasons.__len__() for rule in (by_other_queries, with_bias, with_memory)] == [
        1,
        1,
        1,
    ]


def test_an_audit_without_findings_scores_each_episode_once_and_some_of_them_alone() -> None:
    scorer = Scorer(nearest)
    scorer.run().audit()
    assert scorer.calls == [1, 1, 1, 1, 8, 8]


def test_all_episodes_of_a_small_cell_are_audited() -> None:
    auditor = Scorer(nearest).run()
    auditor.episodes = EPISODES[:3]
    assert auditor.audit().episodes == 3
    auditor.episodes = EPISODES[:1]
    assert auditor.audit().changed == {"everything": 0}


def test_a_transductive_learner_may_use_other_queries_and_positions_but_no_memory() -> None:
    for rule, allowed in ((by_other_queries, True), (by_position, True), (with_memory, False)):
        auditor = Scorer(rule).run()
        auditor.transductive = True
        assert (not auditor.audit().reasons) == allowed


def test_class_numbers_may_change_but_not_improve_predictions_of_learners_that_draw() -> None:
    def noisy(shown: Shown, scorer: Scorer) -> Tensor:
        noise = torch.randn(WAY, 5, generator=torch.Generator().manual_seed(shown.episode.id), dtype=torch.float64)
        return nearest(shown, scorer) + FEATURES[shown.query] @ noise.T / 3

    auditor = Scorer(noisy, drew=True).run()
    audit = auditor.audit()
    assert not audit.reasons
    assert audit.changed["class numbers"] > 0.1
    assert Scorer(noisy).run().audit().reasons  # a rule that draws nothing may not change

    def by_class_number(shown: Shown, scorer: Scorer) -> Tensor:
        """Read the true class off the position of the query in the episode's list."""
        listed = torch.from_numpy(np.asarray(shown.queries) // QUERY)
        return torch.nn.functional.one_hot(listed, WAY).double()

    assert "how the classes are numbered" in Scorer(by_class_number, drew=True).run().audit().reasons[0]


def test_rounding_is_tolerated_and_more_is_not() -> None:
    def rounded(size: float) -> Score:
        def rule(shown: Shown, scorer: Scorer) -> Tensor:
            return nearest(shown, scorer) + size * torch.sin(1e3 * FEATURES[shown.query][:, :1] + scorer.seen)[
                :, :1
            ] * (torch.arange(WAY))

        return rule

    assert not Scorer(rounded(1e-4)).run().audit().reasons
    assert Scorer(rounded(1e-1)).run().audit().reasons


@given(data=st.data(), way=st.integers(2, 6), shot=st.integers(1, 3), query=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_variation_shows_the_same_images_under_their_own_classes(
    data: st.DataObject, way: int, shot: int, query: int
) -> None:
    episode = draw_episodes(LABELS, way, shot, query, 1, 1)[0]
    flags = {name: data.draw(st.booleans()) for name in ("order", "company", "numbering")}
    order = Scorer(nearest).order_of(episode)
    shown = show(episode, Variation(**flags), order, np.random.default_rng(data.draw(st.integers(0, 99))))
    classes = [episode.classes[c] for c in shown.classes]
    assert sorted(classes) == sorted(episode.classes)
    assert [LABELS[i] for i in shown.support] == [c for c in classes for _ in range(shot)]
    assert sorted(shown.support) == sorted(episode.support)
    assert [classes[a] for a in shown.answers] == [LABELS[i] for i in shown.query]
    assert len(set(shown.queries)) == len(shown.queries) == (-(-way * query // 2) if flags["company"] else way * query)
    if flags["numbering"]:
        assert all(number != c for number, c in enumerate(shown.classes))
    else:
        assert shown.classes == tuple(range(way))
    if not flags["order"]:
        assert list(shown.queries) == [i for i in order if i in set(shown.queries)]


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_outcomes_are_those_of_an_obvious_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shown = [show(episode, EVERYTHING, Scorer(nearest).order_of(episode), rng) for episode in EPISODES[:3]]
    logits = torch.from_numpy(rng.normal(size=(3, len(shown[0].queries), WAY)) * 5)
    outcomes = Outcomes.of_logits(logits, shown)
    for s, view in enumerate(shown):
        for k, image in enumerate(view.query):
            scores = [float(np.exp(x)) for x in logits[s, k].tolist()]
            truth = [view.episode.classes[c] for c in view.classes].index(int(LABELS[image]))
            assert outcomes.truth[s, k] == pytest.approx(scores[truth] / sum(scores), rel=1e-9)
            assert outcomes.confidence[s, k] == pytest.approx(max(scores) / sum(scores), rel=1e-9)
            assert outcomes.right[s, k] == (max(scores) == scores[truth])


def test_up_to_two_percent_of_queries_may_change() -> None:
    flags = np.zeros((10, 20), bool)
    flags[0, :4] = True
    assert not too_many(flags)
    flags[0, 4] = True
    assert too_many(flags)
    assert not too_many(np.array([True, False]))
    assert too_many(np.array([True, True]))


def test_numbering_gains_where_accuracy_falls_significantly() -> None:
    rng = np.random.default_rng(0)
    run = rng.random((8, 40)) < 0.7
    assert not gains_by_numbering(run, rng.random((8, 40)) < 0.7)
    assert gains_by_numbering(np.ones((8, 40), bool), rng.random((8, 40)) < 0.25)
    assert gains_by_numbering(np.ones((8, 40), bool), np.zeros((8, 40), bool))
    assert not gains_by_numbering(run, run)
    assert not gains_by_numbering(run[:1], np.zeros((1, 40), bool))
