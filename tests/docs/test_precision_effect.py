"""Tables of the effect of bfloat16 compare two records of one cell, in any order."""

from __future__ import annotations

import numpy as np
import pytest
from tests.leaderboard.conftest import make_record

from freeshot.records.models import RunRecord
from makers.precision_effect import effect_row, with_effect

TRACK = "in-domain/cub/5w1s"
PAGE = "Before.\n<!-- precision pocket: begin -->\nold\n<!-- precision pocket: end -->\nAfter.\n"


def in_precision(precision: str, accuracies: list[float]) -> RunRecord:
    record = make_record("mixed", TRACK, 0.5, options={"ratio": 0.5})
    spec = record.spec.model_copy(update={"precision": precision})
    return record.model_copy(update={"spec": spec, "accuracies": accuracies})


def test_a_row_has_the_paired_difference_and_the_share_of_changed_episodes() -> None:
    full = in_precision("fp32", [0.5, 0.5, 0.75, 0.25])
    half = in_precision("bf16", [0.5, 0.6, 0.75, 0.25])
    # one difference of 10 points in four: mean 2.5, standard error 10 / 4, times t(0.975, 3) = 3.182
    width = 3.182446 * 10 * np.std([0, 0, 0, 1], ddof=1) / 2
    assert effect_row(half, full) == f"| mixed ratio=0.5 | {TRACK} | 50.00 | +2.50 ± {width:.2f} | 25 % |\n"


def test_the_order_of_the_records_does_not_matter() -> None:
    full, half = in_precision("fp32", [0.5, 0.5]), in_precision("bf16", [0.25, 0.5])
    assert effect_row(full, half) == effect_row(half, full)
    assert "| −12.50 ± " in effect_row(full, half)


def test_a_table_replaces_the_text_between_the_marks_of_its_suite() -> None:
    assert with_effect(PAGE, "pocket", "new\n") == PAGE.replace("old", "new")


def test_a_page_without_marks_is_an_error() -> None:
    with pytest.raises(KeyError, match="no marks"):
        with_effect(PAGE, "paper", "new\n")
