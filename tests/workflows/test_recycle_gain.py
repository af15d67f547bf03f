"""The gain on surrogates compares two learners on images of classes that training did not use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot.workflows.recycle_gain import Gain, held_out_images, surrogate_gain

CPU = torch.device("cpu")


class Shade(Learner):
    """Embed an image as its grey value, with noise of this size."""

    def __init__(self, noise: float = 0.0) -> None:
        self._noise = noise

    def embed(self, images: Tensor) -> Tensor:
        value = images.mean((1, 2, 3)).unsqueeze(1)
        return value + self._noise * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))


def surrogates(*class_ids: tuple[int, ...], each: int = 4) -> list[SurrogateSet]:
    """Make sets in which an image of class i has the grey value i / 10."""
    sets = []
    for number, ids in enumerate(class_ids):
        labels = torch.arange(len(ids)).repeat_interleave(each)
        images = torch.tensor(ids)[labels].view(-1, 1, 1, 1).expand(-1, 3, 2, 2) / 10
        logits = torch.zeros(len(labels), len(ids))
        sets.append(SurrogateSet(Shots(images, labels), ids, logits, logits, f"lora-{number}"))
    return sets


def test_images_of_held_out_classes_are_collected_from_all_loras() -> None:
    images, labels = held_out_images(surrogates((0, 7), (7, 3)), {3, 7})
    assert labels.tolist() == [1] * 4 + [1] * 4 + [0] * 4
    assert torch.equal(images[:, 0, 0, 0], torch.tensor([0.7] * 8 + [0.3] * 4))


def test_a_learner_that_separates_the_classes_has_the_full_gain() -> None:
    sets = surrogates((0, 1, 2), (3, 4, 5))
    gain = surrogate_gain(sets, {0, 2, 3, 5}, (Shade(100.0), Shade()), (3, 1, 15), CPU, seed=0)
    assert gain is not None
    assert gain.after == 1.0
    assert gain.before < 0.6
    assert gain.difference.mean == pytest.approx(gain.after - gain.before)
    assert (gain.classes, gain.way, gain.shot, gain.query, gain.on) == (4, 3, 1, 3, "surrogates")


@pytest.mark.parametrize(("hidden", "shot"), [((), 1), ((0, 1), 4)])
def test_without_classes_or_queries_there_is_no_gain(hidden: tuple[int, ...], shot: int) -> None:
    learners = (Shade(), Shade())
    assert surrogate_gain(surrogates((0, 1, 2)), hidden, learners, (2, shot, 15), CPU, seed=0) is None


def test_a_gain_is_json() -> None:
    import json

    gain = Gain.of("pictures", 2, (2, 1, 3), [0.5, 0.25], np.array([1.0, 0.5]).tolist())
    plain = json.loads(json.dumps(gain.to_json()))
    assert (plain["before"], plain["after"], plain["difference"]["mean"]) == (0.375, 0.75, 0.375)
