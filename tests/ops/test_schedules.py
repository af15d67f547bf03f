"""Learning-rate schedules follow their formulas."""

from __future__ import annotations

import pytest

from freeshot.ops.schedules import cosine


def test_a_cosine_falls_from_one_to_zero() -> None:
    shares = [cosine(step, 10) for step in range(11)]
    assert [shares[0], shares[5], shares[10]] == pytest.approx([1, 0.5, 0])
    assert shares == sorted(shares, reverse=True)
    assert all(early + late == pytest.approx(1) for early, late in zip(shares, reversed(shares), strict=True))
