"""Inversion gives images that the LoRA classifies with confidence, and only the seed changes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import DataError, DivergedError, OptionError
from freeshot.engine import BankTeacher
from freeshot.engine.inversion.batchnorm_prior import StatisticsPrior, open_prior
from freeshot.engine.inversion.pixel_optimizer import total_variation
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.pruning import ClsAttention

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from freeshot.contracts.pool import LoraPool
    from freeshot.contracts.strategy import EfficiencyStrategy
    from freeshot.engine import Backbone

CPU = torch.device("cpu")
SHORT = LoraInversion(iterations=25, prior="none")


def labels_of(pool: LoraPool, lora: int) -> Tensor:
    return torch.arange(len(pool.entries[lora].classes)).repeat_interleave(3)


def invert(
    backbone: Backbone,
    pool: LoraPool,
    method: LoraInversion = SHORT,
    *,
    lora: int = 0,
    seed: int = 0,
    strategy: EfficiencyStrategy | None = None,
) -> Tensor:
    teacher = BankTeacher(backbone, [pool.entries[lora]], strategy)
    return method.synthesize(teacher, labels_of(pool, lora), torch.Generator().manual_seed(seed))


def teacher_scores(backbone: Backbone, pool: LoraPool, lora: int, images: Tensor) -> tuple[float, float]:
    """Return the teacher's cross-entropy and accuracy on its own surrogates."""
    labels = labels_of(pool, lora)
    with torch.no_grad():
        logits = BankTeacher(backbone, [pool.entries[lora]]).plain_logits(images)
    return float(cross_entropy(logits, labels)), float((logits.argmax(1) == labels).double().mean())


@pytest.mark.parametrize("lora", range(4))
def test_the_loss_of_a_lora_on_its_surrogates_is_lower_than_on_noise(
    backbone: Backbone, pool: LoraPool, lora: int
) -> None:
    noise = invert(backbone, pool, LoraInversion(iterations=0, prior="none"), lora=lora)
    surrogates = invert(backbone, pool, lora=lora)
    before, after = (teacher_scores(backbone, pool, lora, images) for images in (noise, surrogates))
    assert after[0] < before[0]


def test_loras_classify_their_surrogates_better_than_noise(backbone: Backbone, pool: LoraPool) -> None:
    right = []
    for method in (LoraInversion(iterations=0, prior="none"), SHORT):
        seen = [teacher_scores(backbone, pool, lora, invert(backbone, pool, method, lora=lora)) for lora in range(4)]
        right.append(sum(accuracy for _, accuracy in seen))
    assert right[1] > right[0] + 0.2


@pytest.mark.parametrize("lora", range(4))
def test_after_enough_steps_the_lora_classifies_all_surrogates_correctly(
    backbone: Backbone, pool: LoraPool, lora: int
) -> None:
    thorough = LoraInversion(iterations=150, lr=0.1, prior="none", schedule="cosine")
    loss, accuracy = teacher_scores(backbone, pool, lora, invert(backbone, pool, thorough, lora=lora))
    assert accuracy == 1
    assert loss < 0.2  # close to the lowest loss of these tiny LoRAs: 0.11 after 400 steps


def test_surrogates_from_pruned_tokens_have_a_lower_loss_than_noise(backbone: Backbone, pool: LoraPool) -> None:
    noise = invert(backbone, pool, LoraInversion(iterations=0, prior="none"))
    sparse = invert(backbone, pool, strategy=ClsAttention(at=(1, -1), ratio=0.25))
    assert teacher_scores(backbone, pool, 0, sparse)[0] < teacher_scores(backbone, pool, 0, noise)[0]


def test_images_lie_between_black_and_white(backbone: Backbone, pool: LoraPool) -> None:
    images = invert(backbone, pool, LoraInversion(iterations=3, lr=50.0, prior="none"))
    assert 0 <= float(images.min()) < float(images.max()) <= 1


def test_the_same_seed_gives_the_same_images(backbone: Backbone, pool: LoraPool) -> None:
    short = LoraInversion(iterations=3, prior="none")
    assert torch.equal(invert(backbone, pool, short), invert(backbone, pool, short))


def test_another_seed_gives_other_images(backbone: Backbone, pool: LoraPool) -> None:
    short = LoraInversion(iterations=3, prior="none")
    assert not torch.equal(invert(backbone, pool, short), invert(backbone, pool, short, seed=1))


def test_the_backbone_has_no_gradient_afterwards(backbone: Backbone, pool: LoraPool) -> None:
    images = invert(backbone, pool, LoraInversion(iterations=1, prior="none"))
    assert not images.requires_grad
    assert all(weight.grad is None for weight in backbone.vit.parameters())


def test_total_variation_smooths(backbone: Backbone, pool: LoraPool) -> None:
    rough, smooth = (
        invert(backbone, pool, LoraInversion(iterations=15, prior="none", total_variation=w)) for w in (0.0, 50.0)
    )
    assert total_variation(smooth) < 0.7 * total_variation(rough)


def test_each_image_is_its_iterate_of_the_lowest_loss(backbone: Backbone, pool: LoraPool) -> None:
    """Record all iterates, and compare each image with its iterate of the lowest loss."""
    iterates: list[tuple[Tensor, Tensor]] = []

    class Watched(BankTeacher):
        def logits(self, images: Tensor) -> Tensor:
            actual = super().logits(images)
            iterates.append((images.detach().clone(), cross_entropy(actual.detach(), labels, reduction="none")))
            return actual

    labels = labels_of(pool, 0)
    teacher = Watched(backbone, [pool.entries[0]])
    still = LoraInversion(iterations=12, prior="none", jitter=0.0, flip=False, total_variation=1e4, keep="best")
    actual = still.synthesize(teacher, labels, torch.Generator().manual_seed(0))
    losses = torch.stack([losses for _, losses in iterates])
    for image, step in enumerate(losses.argmin(0).tolist()):
        assert torch.allclose(actual[image], iterates[step][0][image].clamp(0, 1), atol=1e-6)
    assert (losses.argmin(0) < len(iterates) - 1).any()


@pytest.mark.parametrize(("every", "evaluations"), [(1, 12), (4, 3), (5, 3)])
def test_a_prior_evaluated_every_n_steps_has_n_times_the_gradient(
    backbone: Backbone, pool: LoraPool, monkeypatch: pytest.MonkeyPatch, every: int, evaluations: int
) -> None:
    gradients: list[float] = []

    class Counting:
        def distance(self, images: Tensor) -> Tensor:
            distance = images.sum() * 0
            distance.register_hook(lambda gradient: gradients.append(float(gradient)))  # type: ignore[no-untyped-call]
            return distance

    monkeypatch.setattr(LoraInversion, "_open_prior", lambda *_: Counting())
    invert(backbone, pool, LoraInversion(iterations=12, prior_every=every, prior_weight=0.5))
    images = len(labels_of(pool, 0))
    assert gradients == [pytest.approx(0.5 * every * images)] * evaluations


def test_l2_moves_pixels_towards_the_mean(backbone: Backbone, pool: LoraPool) -> None:
    plain, regularised = (
        invert(backbone, pool, LoraInversion(iterations=15, prior="none", l2=w)) for w in (0.0, 100.0)
    )
    assert (regularised - 0.5).square().mean() < 0.5 * (plain - 0.5).square().mean()


def test_the_learning_rate_is_constant_or_follows_half_a_cosine() -> None:
    plain = LoraInversion(iterations=4, lr=0.2)
    steady, decaying = plain._plan(), replace(plain, schedule="cosine")._plan()
    assert [steady.rate(step) for step in range(4)] == [0.2] * 4
    assert [decaying.rate(step) for step in range(4)] == pytest.approx(
        [0.2, 0.2 * (0.5 + 0.5**1.5), 0.1, 0.2 * (0.5 - 0.5**1.5)]
    )


def test_with_a_decaying_rate_the_last_step_is_small(backbone: Backbone, pool: LoraPool) -> None:
    def last_step(schedule: Literal["constant", "cosine"]) -> float:
        seen: list[Tensor] = []

        class Watched(BankTeacher):
            def logits(self, images: Tensor) -> Tensor:
                seen.append(images.detach().clone())
                return super().logits(images)

        teacher = Watched(backbone, [pool.entries[0]])
        still = LoraInversion(iterations=20, prior="none", schedule=schedule, jitter=0, flip=False)
        still.synthesize(teacher, labels_of(pool, 0), torch.Generator().manual_seed(0))
        return float((seen[-1] - seen[-2]).abs().mean())

    assert last_step("cosine") < 0.1 * last_step("constant")


def test_surrogates_made_in_bfloat16_have_a_lower_loss_than_noise(backbone: Backbone, pool: LoraPool) -> None:
    rough = invert(replace(backbone, precision="bf16"), pool)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, invert(backbone, pool))
    noise = invert(backbone, pool, replace(SHORT, iterations=0))
    assert teacher_scores(backbone, pool, 0, rough)[0] < teacher_scores(backbone, pool, 0, noise)[0]


def test_a_loss_that_is_not_finite_is_an_error(backbone: Backbone, pool: LoraPool) -> None:
    wild = LoraInversion(iterations=2, prior="none", total_variation=float("inf"))
    with pytest.raises(DivergedError, match=r"The inversion loss is inf at step 0\. Lower the inversion's lr\."):
        invert(backbone, pool, wild)


def test_a_prior_without_weights_is_refused_and_the_alternatives_are_named(backbone: Backbone, pool: LoraPool) -> None:
    with pytest.raises(OptionError) as caught:
        invert(backbone, pool, LoraInversion(iterations=1))
    assert str(caught.value) == (
        "Inversion 'lora-inversion' needs the weights of resnet50 for its prior. Give a file with "
        "-o inversion.prior_weights=FILE, or be strictly data-free with -o inversion.prior=none."
    )


def test_inversion_is_strictly_data_free_only_without_the_prior() -> None:
    assert (LoraInversion(prior="none").data_free, LoraInversion().data_free) == ("strict", "public prior")


def test_total_variation_equals_a_loop_over_pixels() -> None:
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    down, right = [], []
    for image in images:
        for channel in image:
            down += [float(channel[y + 1, x] - channel[y, x]) ** 2 for y in range(3) for x in range(5)]
            right += [float(channel[y, x + 1] - channel[y, x]) ** 2 for y in range(4) for x in range(4)]
    assert float(total_variation(images)) == pytest.approx(sum(down) / len(down) + sum(right) / len(right))


def tiny_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))


def with_statistics_of(images: Tensor) -> nn.Sequential:
    """Return a network whose batch norms hold the statistics of exactly these images, layer by layer."""
    network = tiny_network()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    network.eval()
    with torch.no_grad():
        for module in network:
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(x.mean((0, 2, 3)))
                module.running_var.copy_(x.var((0, 2, 3), unbiased=False))
            x = module(x)
    return network


@pytest.mark.parametrize("spread", ["std", "var"])
def test_images_with_the_stored_statistics_have_distance_zero(spread: str) -> None:
    images = torch.rand(6, 3, 10, 10, generator=torch.Generator().manual_seed(1))
    prior = StatisticsPrior(with_statistics_of(images), spread)
    assert float(prior.distance(images)) == pytest.approx(0, abs=1e-3)
    assert float(prior.distance(1 - images)) > 0.01


@pytest.mark.parametrize("spread", ["std", "var"])
def test_optimising_the_distance_lowers_it(spread: str) -> None:
    prior = StatisticsPrior(tiny_network(), spread)
    images = torch.rand(4, 3, 10, 10, generator=torch.Generator().manual_seed(2)).requires_grad_()
    optimizer = torch.optim.Adam([images], lr=0.05)
    distances = []
    for _ in range(20):
        distance = prior.distance(images)
        optimizer.zero_grad()
        distance.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        distances.append(float(distance.detach()))
    assert distances[-1] < 0.6 * distances[0]


def test_measuring_removes_its_hooks() -> None:
    network = tiny_network()
    StatisticsPrior(network, "std").distance(torch.rand(2, 3, 10, 10))
    assert not any(module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"not weights at all"])
def test_weights_that_cannot_be_read_are_an_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"The prior's weights .* cannot be used \(.*\)\. Give weights of resnet50\."):
        open_prior("resnet50", str(file), "std", CPU)


def test_a_prior_of_another_network_and_at_another_size_changes_the_images(
    backbone: Backbone, pool: LoraPool, tmp_path: Path
) -> None:
    file = tmp_path / "lite0.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict(), file)
    short = LoraInversion(iterations=3, prior="efficientnet-lite0", prior_weights=str(file), prior_weight=1.0)
    original_size, enlarged = invert(backbone, pool, short), invert(backbone, pool, replace(short, prior_size=64))
    same = invert(backbone, pool, replace(short, prior_size=original_size.shape[-1]))
    assert torch.allclose(original_size, same, atol=1e-4)
    assert not torch.allclose(original_size, enlarged, atol=1e-2)


def test_a_negative_size_for_the_prior_is_refused() -> None:
    with pytest.raises(OptionError, match="Option 'prior_size' of 'lora-inversion' must be at least 0, but is -1"):
        LoraInversion(prior_size=-1)


def test_weights_of_another_network_are_an_error(tmp_path: Path) -> None:
    torch.save(tiny_network().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(DataError, match="Give weights of resnet50"):
        open_prior("resnet50", str(tmp_path / "weights.pth"), "std", CPU)
