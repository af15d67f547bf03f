"""Patches that were stopped are looked at no more, wherever a roll or a flip takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from freeshot.basics.errors import OptionError
from freeshot.engine import BankTeacher, LoraBank, forward
from freeshot.ops.tokens import moved_patches, returned_patches
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.pruning import ClsAttention
from freeshot_lora_recycle.stopping import PatchStopping

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone

SIDE, PATCH = 4, 4
HALF = PatchStopping(at=(0.3, 0.6), ratio=0.5)


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def numbered() -> Tensor:
    """Return a picture whose pixels tell which patch they belong to."""
    grid = torch.arange(SIDE**2).view(1, 1, SIDE, SIDE).float()
    return grid.repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3).expand(1, 3, -1, -1)


MOVES = {"down": st.integers(-9, 9), "right": st.integers(-9, 9), "mirrored": st.booleans()}


@given(**MOVES)
def test_patches_move_with_their_pixels(down: int, right: int, *, mirrored: bool) -> None:
    picture = numbered().roll((down * PATCH, right * PATCH), dims=(2, 3))
    picture = picture.flip(-1) if mirrored else picture
    lies = moved_patches(torch.arange(16).unsqueeze(0), SIDE, down, right, mirrored=mirrored)[0]
    found = picture[0, 0, ::PATCH, ::PATCH].flatten()
    assert [int(found[place]) for place in lies.tolist()] == list(range(16))


@given(**MOVES)
def test_returning_undoes_moving(down: int, right: int, *, mirrored: bool) -> None:
    kept = torch.arange(16).unsqueeze(0)
    moved = moved_patches(kept, SIDE, down, right, mirrored=mirrored)
    assert torch.equal(returned_patches(moved, SIDE, down, right, mirrored=mirrored), kept)


@pytest.fixture
def teacher(backbone: Backbone, pool: LoraPool) -> BankTeacher:
    """Return the first LoRA, with half of the patches stopped twice."""
    return BankTeacher(backbone, [pool.entries[0]], HALF)


def test_each_point_stops_its_share_of_what_goes_on(teacher: BankTeacher) -> None:
    counts = []
    for _ in teacher.steps(10):
        teacher.logits(images())
        kept = teacher._going_on
        counts.append(16 if kept is None else kept.shape[1])
    assert counts == [16] * 3 + [8] * 3 + [4] * 4


def test_the_patches_stopped_are_those_attended_to_least_in_the_last_layer(
    teacher: BankTeacher, backbone: Backbone, pool: LoraPool
) -> None:
    shown = images()
    for step in teacher.steps(10):
        teacher.logits(shown)
        if step == 4:
            break
    bank = LoraBank.of(pool.entries[:1], shown)
    expected = forward(backbone, shown, bank, strategy=ClsAttention(at=(-1,), ratio=0.5)).kept
    assert teacher._going_on is not None
    assert expected is not None
    assert torch.equal(teacher._going_on, expected)


@pytest.mark.parametrize(("down", "right", "mirrored"), [(0, 0, False), (5, -3, False), (-4, 9, True)])
def test_no_gradient_reaches_a_stopped_patch_however_the_image_is_moved(
    teacher: BankTeacher, down: int, right: int, *, mirrored: bool
) -> None:
    for step in teacher.steps(10):
        shown = images().requires_grad_()
        teacher.logits(teacher.moved(shown, down, right, mirrored=mirrored))[:, 0].sum().backward()  # type: ignore[no-untyped-call]
        if step == 8:
            break
    assert shown.grad is not None
    cells = shown.grad.abs().sum(1).reshape(3, SIDE, PATCH, SIDE, PATCH).sum((2, 4)).flatten(1)
    assert teacher._going_on is not None
    for image in range(3):
        assert cells[image].nonzero().flatten().tolist() == teacher._going_on[image].tolist()


def test_what_goes_on_in_the_end_is_the_mask(teacher: BankTeacher) -> None:
    inversion = LoraInversion(iterations=8, prior="none")
    labels = torch.arange(5)
    found = inversion.synthesize(teacher, labels, torch.Generator().manual_seed(0))
    kept = teacher.final_patches(found)
    assert kept is not None
    assert kept.shape == (5, 4)


def test_a_second_inversion_starts_with_all_patches(teacher: BankTeacher) -> None:
    for _ in range(2):
        for step in teacher.steps(10):
            if step == 0:
                assert teacher._going_on is None
            teacher.logits(images())


@pytest.mark.parametrize("options", [{"ratio": 1.0}, {"ratio": -0.1}, {"at": (0.0,)}, {"at": (1.5,)}])
def test_values_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="of 'patch-stop' must lie in 0…1"):
        PatchStopping(**options)  # type: ignore[arg-type]
