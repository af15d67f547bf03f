"""The coverage study on a small synthetic set."""

from __future__ import annotations

import numpy as np
import torch

from freeshot.contracts.tracks import Track
from makers.interval_coverage import Coverage, Effort, study, table

EFFORT = Effort(sets=4, truth=2000, draws=400)
TRACK = Track(name="in-domain/made-up/3w1s", dataset="", pool="", sources=(), backbone="", way=3, shot=1, query=5)


def coverages() -> list[Coverage]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(8), 30)
    features = rng.normal(size=(8, 4))[labels] * 1.5 + rng.normal(size=(len(labels), 4))
    return study(torch.from_numpy(features), labels, TRACK, EFFORT, rng)


def test_images_and_classes_are_both_halved() -> None:
    assert {(coverage.drawn, coverage.covers) for coverage in coverages()} == {
        ("15 of 30 images per class", "episodes"),
        ("15 of 30 images per class", "episodes and images"),
        ("5 of 8 classes", "episodes"),
        ("5 of 8 classes", "episodes and classes"),
    }


def test_an_interval_that_covers_more_is_wider_and_holds_more_often() -> None:
    images, both, classes, all_three = coverages()
    assert images.half_width < both.half_width
    assert classes.half_width < all_three.half_width
    assert images.held <= both.held
    assert classes.held <= all_three.held


def test_the_study_is_the_same_each_time() -> None:
    assert coverages() == coverages()


def test_a_class_with_too_few_images_is_left_out() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), [3, 30, 30, 30, 30, 30, 30])
    sets = study(torch.randn(len(labels), 4), labels, TRACK, EFFORT, rng)
    assert {coverage.drawn for coverage in sets} == {"15 of 30 images per class", "5 of 6 classes"}


def test_the_table_has_the_share_covered_and_the_half_width() -> None:
    coverage = Coverage("in-domain/made-up/3w1s", "episodes", "15 of 30 images per class", 0.685, 0.0095, 200)
    row = "| in-domain/made-up/3w1s | 200 × 15 of 30 images per class | episodes | 68.5 % | 0.95 |"
    assert row in table([coverage]).splitlines()
