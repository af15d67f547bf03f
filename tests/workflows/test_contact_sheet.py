"""A contact sheet shows each class in a row, complete and masked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot.workflows.contact_sheet import contact_sheet, masked, save_sheet


def surrogates(kept: Tensor | None) -> SurrogateSet:
    """Return three images of each of two classes, each image of a single, different grey."""
    images = (torch.arange(6) / 10).view(6, 1, 1, 1).expand(6, 3, 4, 4)
    logits = torch.zeros(6, 2)
    return SurrogateSet(Shots(images, torch.tensor([0, 0, 0, 1, 1, 1]), kept), (7, 8), logits, logits, "lora-000")


def test_classes_are_rows_and_images_columns() -> None:
    sheet = contact_sheet(surrogates(None), 2, columns=2, zoom=3)
    assert sheet.shape == (2 * 4 * 3, 2 * 4 * 3, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (0, 12), (12, 0), (12, 12))] == [0, 26, 76, 102]


@pytest.mark.parametrize(("side", "width"), [(28, 2 * 28), (64, 64)])
def test_small_images_are_shown_at_twice_their_size(side: int, width: int) -> None:
    small = surrogates(None)
    images = torch.zeros(6, 3, side, side)
    assert contact_sheet(replace(small, shots=replace(small.shots, images=images)), 4, columns=1).shape[1] == width


def test_masked_images_are_beside_complete_images() -> None:
    kept = torch.tensor([[1, 2]]).expand(6, -1)
    sheet = contact_sheet(surrogates(kept), 2, columns=1, zoom=1)
    assert sheet.shape == (8, 8, 3)
    assert sheet[0, 4:, 0].tolist() == [128, 128, 0, 0]
    assert sheet[2, 4:, 0].tolist() == [0, 0, 128, 128]


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_a_mask_equals_that_of_a_loop_over_patches(patch: int) -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    side = 8 // patch
    kept = torch.stack([torch.randperm(side**2)[: max(1, side**2 // 3)].sort().values for _ in range(3)])
    actual = masked(images, kept, patch)
    for n in range(3):
        for y in range(8):
            for x in range(8):
                seen = (y // patch) * side + x // patch in kept[n].tolist()
                expected = images[n, :, y, x] if seen else torch.full((3,), 0.5)
                assert torch.equal(actual[n, :, y, x], expected)


def test_a_sheet_is_written_as_a_picture(tmp_path: Path) -> None:
    save_sheet(contact_sheet(surrogates(None), 2), tmp_path / "sheets" / "a.png")
    with Image.open(tmp_path / "sheets" / "a.png") as picture:
        assert picture.size == (3 * 4 * 2, 2 * 4 * 2)
