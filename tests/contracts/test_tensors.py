"""Shots, tasks and surrogate sets check their own shapes."""

from __future__ import annotations

import pytest
import torch

from freeshot.basics.errors import ContractError
from freeshot.contracts.tensors import Shots, SurrogateSet, Task


def shots(count: int = 4) -> Shots:
    return Shots(torch.zeros(count, 3, 8, 8), torch.zeros(count, dtype=torch.long))


def test_the_length_of_shots_is_the_number_of_labels() -> None:
    assert len(shots(4)) == 4


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 1, 8, 8), (4, 8, 8, 3)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractError) as caught:
        Shots(torch.zeros(shape), torch.zeros(4))
    assert str(caught.value) == f"Images must be [n, 3, h, w], but their shape is {list(shape)}."


def test_labels_for_other_images_are_refused() -> None:
    with pytest.raises(ContractError) as caught:
        Shots(torch.zeros(4, 3, 8, 8), torch.zeros(3))
    assert (
        str(caught.value) == "The first axes must have equal length, but their lengths are {'images': 4, 'labels': 3}."
    )


def test_patches_for_other_images_are_refused() -> None:
    with pytest.raises(ContractError) as caught:
        Shots(torch.zeros(4, 3, 8, 8), torch.zeros(4), torch.zeros(5, 2))
    assert (
        str(caught.value)
        == "The first axes must have equal length, but their lengths are {'images': 4, 'labels': 4, 'kept': 5}."
    )


def test_a_task_refuses_logits_of_another_query() -> None:
    Task(shots(2), shots(4), 2, torch.zeros(4, 2))
    Task(shots(2), shots(4), 2)
    with pytest.raises(ContractError) as caught:
        Task(shots(2), shots(4), 2, torch.zeros(2, 2))
    assert (
        str(caught.value)
        == "The first axes must have equal length, but their lengths are {'query': 4, 'teacher_logits': 2}."
    )


def test_surrogates_refuse_logits_of_other_images() -> None:
    SurrogateSet(shots(4), (0, 1), torch.zeros(4, 2), torch.zeros(4, 2), "lora-000")
    with pytest.raises(ContractError) as caught:
        SurrogateSet(shots(4), (0, 1), torch.zeros(4, 2), torch.zeros(3, 2), "lora-000")
    assert str(caught.value) == (
        "The first axes must have equal length, but their lengths are "
        "{'shots': 4, 'teacher_logits': 4, 'mirrored_logits': 3}."
    )
