"""Calibration, recall and hardness are those of obvious loops over the queries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from freeshot.contracts.tensors import Episode
from freeshot.evaluation.metrics import (
    QueryOutcomes,
    as_tensors,
    calibration_error,
    concatenate,
    from_tensors,
    quality,
    score_queries,
)

LABELS = torch.arange(3).repeat_interleave(2)
LOGITS = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
OUTCOMES = score_queries(LOGITS, LABELS, LOGITS.argmax(-1))
CLASSES = tuple("abcde")
EPISODES = tuple(Episode(i, c, (), tuple(range(6))) for i, c in enumerate([(0, 1, 2), (2, 1, 0), (3, 0, 2), (1, 2, 3)]))


def probabilities(episode: int, query: int) -> list[float]:
    powers = [math.exp(x) for x in LOGITS[episode, query].tolist()]
    return [p / sum(powers) for p in powers]


QUERIES = [(e, q, probabilities(e, q), int(LABELS[q])) for e in range(4) for q in range(6)]


def test_a_query_is_right_where_its_own_class_is_likeliest() -> None:
    assert OUTCOMES.right.ravel().tolist() == [p.index(max(p)) == y for _, _, p, y in QUERIES]


def test_confidence_is_the_probability_of_the_likeliest_class() -> None:
    assert OUTCOMES.confidence.ravel() == pytest.approx([max(p) for _, _, p, _ in QUERIES])


def test_brier_is_the_squared_distance_to_the_true_class() -> None:
    expected = [sum((p[c] - (c == y)) ** 2 for c in range(3)) for _, _, p, y in QUERIES]
    assert OUTCOMES.brier.ravel() == pytest.approx(expected)


def test_log_odds_are_those_against_the_true_class() -> None:
    assert OUTCOMES.log_odds.ravel() == pytest.approx([math.log((1 - p[y]) / p[y]) for _, _, p, y in QUERIES], rel=1e-5)


def test_log_odds_stay_finite_where_a_class_is_all_but_certain() -> None:
    sure = torch.tensor([[[500.0, 0.0, 0.0]]])
    outcomes = score_queries(sure, torch.tensor([0]), torch.tensor([[0]]))
    assert outcomes.log_odds[0, 0] == pytest.approx(math.log(2) - 500)


def test_hardness_is_the_mean_of_an_episodes_log_odds() -> None:
    assert OUTCOMES.hardness == pytest.approx(OUTCOMES.log_odds.mean(1), abs=1e-4)


def test_calibration_error_is_that_of_a_loop_over_bins() -> None:
    expected = 0.0
    for low in range(15):
        inside = [(max(p), p.index(max(p)) == y) for _, _, p, y in QUERIES if low / 15 <= max(p) < (low + 1) / 15]
        if inside:
            expected += abs(sum(r for _, r in inside) - sum(c for c, _ in inside)) / len(QUERIES)
    assert calibration_error(OUTCOMES.confidence, OUTCOMES.right) == pytest.approx(expected)


def test_predictions_that_are_right_as_often_as_their_confidence_are_calibrated() -> None:
    right = np.arange(1000).reshape(10, 100) % 10 < 7
    assert calibration_error(np.full((10, 100), 0.7, np.float32), right) == pytest.approx(0, abs=1e-6)


def test_total_certainty_falls_into_the_last_bin() -> None:
    assert calibration_error(np.ones((1, 4), np.float32), np.array([[True, True, True, False]])) == pytest.approx(0.25)


def test_recall_counts_each_class_over_the_episodes_that_have_it() -> None:
    hits: dict[str, list[bool]] = {}
    for e, q, p, y in QUERIES:
        hits.setdefault(CLASSES[EPISODES[e].classes[y]], []).append(p.index(max(p)) == LABELS[q])
    expected = {name: float(np.mean(values)) for name, values in hits.items()}
    assert quality(OUTCOMES, EPISODES, CLASSES).recall == pytest.approx(expected, abs=1e-6)


def test_a_class_of_no_episode_has_no_recall() -> None:
    assert "e" not in quality(OUTCOMES, EPISODES, CLASSES).recall


def test_outcomes_written_as_tensors_are_read_back_unchanged() -> None:
    again = from_tensors(as_tensors(OUTCOMES))
    assert all(np.array_equal(getattr(again, name), getattr(OUTCOMES, name)) for name in vars(OUTCOMES))


def test_concatenated_outcomes_are_those_of_the_whole() -> None:
    parts = [score_queries(LOGITS[i : i + 1], LABELS, LOGITS[i : i + 1].argmax(-1)) for i in range(4)]
    whole: QueryOutcomes = concatenate(parts)
    assert np.array_equal(whole.right, OUTCOMES.right)
    assert whole.brier == pytest.approx(OUTCOMES.brier)
