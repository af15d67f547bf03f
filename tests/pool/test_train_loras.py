"""LoRAs tuned together equal LoRAs tuned alone, and are never trained on held-out images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from freeshot.basics.errors import DivergedError
from freeshot.contracts.pool import TuningRecipe
from freeshot.engine.vit.backbone import Backbone, open_backbone
from freeshot.pool.train_loras import Tuned, TuningTask, _require_finite, _shifted, tune
from freeshot.testing.toy import PER_CLASS, ToyImages, ToyVit

RECIPE = TuningRecipe(rank=2, steps=4, batch=6, lr=1e-2)


@pytest.fixture
def double() -> Iterator[Backbone]:
    """Return the toy network in float64, where new tensors are of float64 as well."""
    torch.set_default_dtype(torch.float64)
    try:
        yield open_backbone(ToyVit())
    finally:
        torch.set_default_dtype(torch.float32)


def task(name: str, *kinds: int) -> TuningTask:
    images = ToyImages(kinds)
    held_out = torch.arange(len(images)) % PER_CLASS < 4
    return TuningTask(name, images.read(range(len(images))), torch.from_numpy(images.labels), held_out)


def assert_same(first: Tuned, i: int, second: Tuned, j: int, tolerance: float) -> None:
    ours, theirs = first.bank.entry_factors(i), second.bank.entry_factors(j)
    for slot, parts in ours.items():
        for mine, other in zip(parts, theirs[slot], strict=True):
            assert torch.allclose(mine, other, rtol=0, atol=tolerance)
    assert torch.allclose(first.head_weight[i], second.head_weight[j], rtol=0, atol=tolerance)
    assert torch.allclose(first.head_bias[i], second.head_bias[j], rtol=0, atol=tolerance)


def test_a_lora_tuned_with_others_equals_the_lora_tuned_alone(double: Backbone) -> None:
    tasks = [task("a", 0, 1), task("b", 2, 3), task("c", 4, 5)]
    together = tune(double, tasks, RECIPE, 2)
    for index in (0, 1, 2):
        alone = tune(double, [tasks[index]], RECIPE, 2)
        assert_same(together, index, alone, 0, 1e-9)
        assert together.accuracies[index] == alone.accuracies[0]


def test_the_rate_falls_along_a_cosine() -> None:
    rates = [TuningRecipe(steps=4, lr=0.2).rate(step) for step in range(4)]
    assert rates == pytest.approx([0.2, 0.1 + 0.1 * 0.5**0.5, 0.1, 0.1 - 0.1 * 0.5**0.5])


def test_the_head_has_a_rate_of_its_own(backbone: Backbone) -> None:
    """Heads start at zero, so Adam's first step moves each weight by just the rate, and no LoRA yet."""
    tasks, one_step = [task("a", 0, 1)], replace(RECIPE, steps=1)
    same, faster = tune(backbone, tasks, one_step, 2), tune(backbone, tasks, replace(one_step, head_lr=0.5), 2)
    assert float(same.head_bias.abs().max()) == pytest.approx(RECIPE.lr, rel=1e-3)
    assert float(faster.head_bias.abs().max()) == pytest.approx(0.5, rel=1e-3)
    for slot, factors in same.bank.entry_factors(0).items():
        assert all(map(torch.equal, factors, faster.bank.entry_factors(0)[slot]))


def test_shifted_images_continue_their_border() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    down, across = torch.randint(-2, 3, (2, 5, 1), generator=torch.Generator().manual_seed(7))
    shifted = _shifted(images, 2, torch.Generator().manual_seed(7))
    for n, y, x in itertools.product(range(5), range(4), range(6)):
        row, column = min(max(y + int(down[n]), 0), 3), min(max(x + int(across[n]), 0), 5)
        assert torch.equal(shifted[n, :, y, x], images[n, :, row, column])


def test_mirroring_and_shifting_change_the_result(backbone: Backbone) -> None:
    plain = tune(backbone, [task("a", 0, 1)], replace(RECIPE, flip=False), 2)
    for other in (RECIPE, replace(RECIPE, flip=False, shift=0.2)):
        assert not torch.equal(plain.head_weight, tune(backbone, [task("a", 0, 1)], other, 2).head_weight)


def test_clipping_together_equals_clipping_alone(double: Backbone) -> None:
    """One LoRA's steep loss must not shorten the steps of the others."""
    recipe = replace(RECIPE, clip=0.05)
    tasks = [task("a", 0, 1), task("b", 2, 3)]
    together = tune(double, tasks, recipe, 2)
    for index in (0, 1):
        assert_same(together, index, tune(double, [tasks[index]], recipe, 2), 0, 1e-9)
    assert not torch.allclose(together.head_weight, tune(double, tasks, RECIPE, 2).head_weight)


def test_held_out_images_are_never_trained_on(backbone: Backbone) -> None:
    clean = task("a", 0, 1)
    poisoned = clean.images.clone()
    poisoned[clean.held_out] = 255
    labels = torch.where(clean.held_out, 1 - clean.labels, clean.labels)
    first = tune(backbone, [clean], RECIPE, 2)
    second = tune(backbone, [replace(clean, images=poisoned, labels=labels)], RECIPE, 2)
    assert_same(first, 0, second, 0, 0.0)


def test_training_images_change_the_result(backbone: Backbone) -> None:
    clean = task("a", 0, 1)
    first = tune(backbone, [clean], RECIPE, 2)
    second = tune(backbone, [replace(clean, images=255 - clean.images)], RECIPE, 2)
    assert not torch.allclose(first.head_weight, second.head_weight)


def test_accuracy_is_that_of_held_out_images(backbone: Backbone) -> None:
    tuned = tune(backbone, [task("a", 0, 8)], TuningRecipe(steps=30, lr=1e-2), 2)
    swapped = task("a", 0, 8)
    labels = torch.where(swapped.held_out, 1 - swapped.labels, swapped.labels)
    wrong = tune(backbone, [replace(swapped, labels=labels)], TuningRecipe(steps=30, lr=1e-2), 2)
    assert tuned.accuracies[0] > 0.8
    assert wrong.accuracies[0] == pytest.approx(1 - tuned.accuracies[0])


def test_a_loras_name_and_the_seed_set_its_random_stream(backbone: Backbone) -> None:
    a = tune(backbone, [task("a", 0, 1)], RECIPE, 2)
    assert_same(a, 0, tune(backbone, [task("a", 0, 1)], RECIPE, 2), 0, 0.0)
    for other in (
        tune(backbone, [task("b", 0, 1)], RECIPE, 2),
        tune(backbone, [task("a", 0, 1)], replace(RECIPE, seed=1), 2),
    ):
        assert not torch.equal(a.bank.a[0], other.bank.a[0])


def test_tuning_does_not_change_the_backbone(backbone: Backbone) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.vit.state_dict().items()}
    tune(backbone, [task("a", 0, 1)], RECIPE, 2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.vit.state_dict().items())


def test_every_step_is_reported(backbone: Backbone) -> None:
    reports: list[tuple[int, int]] = []
    tune(backbone, [task("a", 0, 1)], RECIPE, 2, lambda done, total: reports.append((done, total)))
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_learning_rate_that_diverges_names_the_lora(backbone: Backbone) -> None:
    with pytest.raises(DivergedError) as caught:
        tune(backbone, [task("lora-007", 0, 1)], replace(RECIPE, lr=1e30), 2)
    assert str(caught.value) == ("Tuning diverged for lora-007: the loss is not finite. Lower the learning rate.")


def test_only_the_loras_that_diverge_are_named() -> None:
    with pytest.raises(DivergedError, match=r"^Tuning diverged for b, d: "):
        _require_finite(torch.tensor([0.1, torch.nan, 0.2, torch.inf]), ["a", "b", "c", "d"])
