"""Views are the image mirrored, reduced, enlarged and turned."""

from __future__ import annotations

import pytest
import torch

from freeshot_lda.views import VIEWS, viewed

IMAGES = torch.rand(2, 3, 14, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SQUARE = torch.zeros(1, 1, 15, 15, dtype=torch.float64)
SQUARE[..., 4:11, 4:11] = 1


def test_a_mirrored_view_is_flipped() -> None:
    assert torch.allclose(viewed(IMAGES, "mirror"), IMAGES.flip(-1), atol=1e-12)


def test_a_small_mirrored_view_is_both() -> None:
    assert torch.allclose(viewed(IMAGES, "small-mirror"), viewed(IMAGES.flip(-1), "small"), atol=1e-12)


@pytest.mark.parametrize(("view", "ratio"), [("small", 1 / 1.1**2), ("large", 1 / 0.9**2)])
def test_a_small_or_large_view_has_the_stated_area(view: str, ratio: float) -> None:
    assert float(viewed(SQUARE, view).sum() / SQUARE.sum()) == pytest.approx(ratio, rel=0.02)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_a_valid_image_of_the_same_shape(view: str) -> None:
    images = viewed(IMAGES, view)
    assert images.shape == IMAGES.shape
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert not torch.equal(images, IMAGES)


@pytest.mark.parametrize(("view", "degrees"), [("left", 10), ("right", -10)])
def test_a_turned_view_has_the_stated_angle(view: str, degrees: float) -> None:
    ramp = torch.linspace(-1, 1, 101, dtype=torch.float64).expand(1, 1, 101, 101)  # brightness grows to the right
    turned = viewed(ramp, view)[0, 0, 40:61, 40:61]
    across, along = (turned.diff(dim=axis).mean() for axis in (1, 0))
    assert float(torch.rad2deg(torch.atan2(-along, across))) == pytest.approx(degrees, abs=1e-6)
