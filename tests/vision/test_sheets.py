"""Drawings of a sheet can be resized for any network, and stay the same data set."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from freeshot_vision.pocket.datasets import Digits


def test_drawings_are_resized_to_the_requested_side() -> None:
    images = Digits().load("novel", Path("data"))
    large = images.at(56)
    assert large.read([3, 1]).shape == (2, 3, 56, 56)
    assert large.read([]).shape == (0, 3, 56, 56)
    assert large.sha256 == images.sha256
    assert large.read([2]).float().mean() == pytest.approx(float(images.read([2]).float().mean()), abs=2)


def test_at_their_own_side_drawings_equal_the_sheet() -> None:
    images = Digits().load("novel", Path("data"))
    assert torch.equal(images.at(28).read([0, 5]), images.read([0, 5]))
