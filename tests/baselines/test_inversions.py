"""Inversions: each matches its definition, and LoRAs fit recovered images better than noise."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import OptionError
from freeshot.contracts.tensors import Shots
from freeshot.engine import BankTeacher
from freeshot.engine.inversion.black_box import QueryTeacher
from freeshot.engine.inversion.pixel_optimizer import Iterate, lengths, variation_norm
from freeshot_baselines.controls import GaussianNoise
from freeshot_baselines.inversions.cmi import Cmi, contrastive_loss, cropped
from freeshot_baselines.inversions.deep_inversion import DeepInversion
from freeshot_baselines.inversions.mask_and_predict import MaskAndPredict, next_patches, patch_mask
from freeshot_baselines.inversions.zeroth_order import ZerothOrder

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot import InversionMethod
    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone

WAY, PER_CLASS = 5, 4
DEEP = DeepInversion(iterations=25, prior="none")
ZEROTH = ZerothOrder(iterations=30, lr=1e-2, directions=8, latent=8, width=4)
CMI = Cmi(iterations=20, rounds=2, lr=5e-3, latent=8, width=4)
MASKED = MaskAndPredict(rounds=4, iterations=10)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def labels() -> Tensor:
    return torch.arange(WAY).repeat_interleave(PER_CLASS)


def recovered(backbone: Backbone, pool: LoraPool, method: InversionMethod, lora: int = 0, seed: int = 0) -> Tensor:
    return method.synthesize(BankTeacher(backbone, [pool.entries[lora]]), labels(), rng(seed))


def mean_loss(backbone: Backbone, pool: LoraPool, method: InversionMethod) -> float:
    """Return the LoRAs' mean cross-entropy on what is recovered from them."""
    losses = []
    for lora, entry in enumerate(pool.entries):
        images = recovered(backbone, pool, method, lora)
        assert not images.requires_grad
        losses.append(float(cross_entropy(BankTeacher(backbone, [entry]).plain_logits(images), labels())))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("method", [DEEP, ZEROTH, CMI, MASKED], ids=lambda method: method.name)
def test_loras_have_a_lower_loss_on_recovered_images_than_on_noise(
    backbone: Backbone, pool: LoraPool, method: InversionMethod
) -> None:
    assert mean_loss(backbone, pool, method) < mean_loss(backbone, pool, GaussianNoise()) - 0.1


@pytest.mark.parametrize("method", [DEEP, ZEROTH, CMI, MASKED], ids=lambda method: method.name)
def test_images_depend_on_lora_and_seed_alone(backbone: Backbone, pool: LoraPool, method: Any) -> None:
    short = replace(method, iterations=3)
    first = recovered(backbone, pool, short)
    torch.manual_seed(5)
    assert torch.equal(first, recovered(backbone, pool, short))
    assert not torch.equal(first, recovered(backbone, pool, short, seed=1))
    assert not torch.equal(first, recovered(backbone, pool, short, lora=1))


# --- DeepInversion ------------------------------------------------------------------------------


def test_the_variation_of_an_image_is_that_of_a_loop_over_pixels() -> None:
    image = normal(3, 4, 5)
    slow = 0.0
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        squares = 0.0
        for y in range(4 - down):
            for x in range(max(0, -right), 5 - max(0, right)):
                squares += float((image[:, y + down, x + right] - image[:, y, x]).square().sum())
        slow += squares**0.5
    assert variation_norm(torch.stack([image, 2 * image])).tolist() == pytest.approx([slow, 2 * slow])


def test_deep_inversion_adds_variation_length_and_statistics() -> None:
    class Statistics:
        def distance(self, images: Tensor) -> Tensor:
            return images.mean()

    pixels, images = normal(4, 3, 5, 5), normal(4, 3, 5, 5, seed=1)
    method = DeepInversion(total_variation=0.2, l2=0.3, prior_weight=0.4)
    stub: Any = Statistics()
    actual = method.penalized(stub, torch.tensor(1.0, dtype=torch.float64), Iterate(images, pixels, 0))
    slow = 1 + sum(0.2 * float(variation_norm(p[None])) + 0.3 * float(p.norm()) for p in pixels)
    assert float(actual) == pytest.approx(slow + 4 * 0.4 * float(images.mean()))
    assert lengths(pixels).tolist() == pytest.approx([float(p.norm()) for p in pixels])


def test_deep_inversion_declares_how_data_free_it_is(backbone: Backbone, pool: LoraPool) -> None:
    assert (DEEP.data_free, DeepInversion().data_free) == ("strict", "public prior")
    with pytest.raises(OptionError, match=r"-o inversion\.prior=none"):
        recovered(backbone, pool, DeepInversion())


# --- zeroth order -------------------------------------------------------------------------------


def test_zeroth_order_needs_no_gradient(backbone: Backbone, pool: LoraPool) -> None:
    """A teacher that returns logits and nothing else gives the same images, and counts its queries."""
    service = QueryTeacher(backbone, [pool.entries[0]])
    images = ZEROTH.synthesize(service, labels(), rng())
    assert torch.equal(images, recovered(backbone, pool, ZEROTH))
    assert service.queries == 30 * len(labels()) * (8 + 1)


def test_variation_is_free_of_queries_and_smooths(backbone: Backbone, pool: LoraPool) -> None:
    rough, smooth = (recovered(backbone, pool, replace(ZEROTH, total_variation=w)) for w in (0.0, 100.0))
    assert variation_norm(smooth).mean() < 0.8 * variation_norm(rough).mean()


def test_wrong_options_of_zeroth_order_are_errors(backbone: Backbone, pool: LoraPool) -> None:
    with pytest.raises(OptionError, match=r"directions=0 and smoothing=0\.005"):
        ZerothOrder(directions=0)
    with pytest.raises(OptionError, match="'grid' of 'zeroth-order' is 5, which does not divide the image's side 16"):
        recovered(backbone, pool, replace(ZEROTH, grid=5))


@pytest.mark.parametrize("method", [DEEP, CMI, MASKED], ids=lambda method: method.name)
def test_inversions_that_need_gradients_of_a_service_are_refused(
    backbone: Backbone, pool: LoraPool, method: Any
) -> None:
    with pytest.raises(OptionError, match="such as -o inversion=zeroth-order"):
        method.synthesize(QueryTeacher(backbone, [pool.entries[0]]), labels(), rng())


# --- CMI ----------------------------------------------------------------------------------------


def test_the_contrastive_loss_is_that_of_a_loop() -> None:
    ours, theirs, memory = (torch.nn.functional.normalize(normal(n, 6, seed=n), dim=1) for n in (4, 5, 3))
    theirs = theirs[:4]
    slow = 0.0
    for i in range(4):
        others = [*theirs, *memory]
        total = sum(float((ours[i] @ other / 0.2).exp()) for other in others)
        slow -= float(torch.tensor(float((ours[i] @ theirs[i] / 0.2).exp()) / total).log()) / 4
    assert float(contrastive_loss(ours, theirs, memory, 0.2)) == pytest.approx(slow, rel=1e-5)


def test_images_are_contrasted_with_all_that_were_drawn_before(
    backbone: Backbone, pool: LoraPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each round the memory grows by the last fingerprints of the round's images."""
    seen: list[tuple[Tensor, Tensor]] = []

    def watched(ours: Tensor, theirs: Tensor, memory: Tensor, temperature: float) -> Tensor:
        assert not memory.requires_grad
        seen.append((ours.detach().clone(), memory.clone()))
        return contrastive_loss(ours, theirs, memory, temperature)

    monkeypatch.setattr("freeshot_baselines.inversions.cmi.contrastive_loss", watched)
    method = replace(CMI, rounds=4, iterations=2)
    recovered(backbone, pool, method)  # 20 images, five a round
    assert len(seen) == 4 * 2
    for index, (_, memory) in enumerate(seen):
        drawn = [mark for earlier in range(index // 2) for mark in seen[2 * earlier + 1][0]]
        assert [mark.tolist() for mark in memory] == [mark.tolist() for mark in drawn]
    assert len(seen[-1][1]) == 15


def test_contrast_makes_images_of_a_class_differ(backbone: Backbone, pool: LoraPool) -> None:
    def likeness(method: Cmi) -> float:
        images = recovered(backbone, pool, method)
        tokens = method.fingerprintable(BankTeacher(backbone, [pool.entries[0]]).logits_and_tokens(images).tokens)
        alike = torch.nn.functional.normalize(tokens, dim=1)
        return float((alike @ alike.mT)[labels()[:, None] == labels()].mean())

    assert likeness(replace(CMI, contrast=5.0)) < likeness(replace(CMI, contrast=0.0))


def test_every_round_draws_its_share(backbone: Backbone, pool: LoraPool) -> None:
    uneven = replace(CMI, rounds=3, iterations=2)  # 20 images are drawn in two rounds then
    assert torch.equal(recovered(backbone, pool, uneven), recovered(backbone, pool, replace(uneven, rounds=2)))


def test_a_crop_of_everything_is_the_image() -> None:
    images = torch.rand(2, 3, 8, 8, generator=rng())
    assert torch.allclose(cropped(images, 1.0, rng()), images, atol=1e-6)
    assert cropped(images, 0.5, rng()).shape == images.shape


def test_a_teachers_tokens_lead_to_its_logits(backbone: Backbone, pool: LoraPool) -> None:
    images = torch.rand(2, 3, 16, 16, generator=rng())
    teacher = BankTeacher(backbone, [pool.entries[0]])
    seen = teacher.logits_and_tokens(images)
    assert seen.tokens.shape == (2, 4, 48)
    assert torch.equal(seen.logits, teacher.logits(images))
    vit: Any = backbone.vit
    entry = pool.entries[0]
    assert torch.allclose(
        vit.norm(seen.tokens[:, -1]) @ entry.head_weight.mT + entry.head_bias, seen.logits, rtol=0, atol=1e-5
    )


# --- mask and predict ---------------------------------------------------------------------------


def test_patches_of_the_longest_gradient_come_next() -> None:
    importance = torch.tensor([[0.1, 5.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0]])
    done = torch.tensor([[False, True, False, False], [True, False, False, False]])
    order = torch.tensor([[0.0, 0.1, 0.2, 0.3], [0.0, 0.9, 0.1, 0.5]])
    chosen = next_patches(importance, done, 3, order)
    assert chosen.nonzero().tolist() == [[0, 0], [0, 2], [1, 2], [1, 3]]  # by gradient; by order where it is equal


def test_a_choice_of_patches_covers_their_pixels() -> None:
    mask = patch_mask(torch.tensor([[False, True, False, False]]), 2, 3)
    assert mask.shape == (1, 1, 6, 6)
    assert mask[0, 0, :3, 3:].all()
    assert int(mask.sum()) == 9


class Linear:
    """A LoRA that sees images [n, 3, 4, 4] through one matrix, normalised otherwise in each channel."""

    image_size, device = 4, torch.device("cpu")

    def __init__(self, size: float = 1.0) -> None:
        self.matrix = size * normal(48, 3, seed=11)
        self.mean = torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64).view(1, 3, 1, 1)
        self.std = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).view(1, 3, 1, 1)

    def logits(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.matrix

    def steps(self, count: int, start: int = 0) -> Any:
        yield from range(start, count)


STILL = MaskAndPredict(rounds=2, iterations=4, patch=2, jitter=0.0, flip=False)


def importance_by_loop(teacher: Linear, pixels: Tensor, wanted: Tensor) -> list[list[float]]:
    """Return the lengths of the cross-entropy's gradient in the 2 × 2 patches of images of 4 × 4 pixels."""
    actual = []
    for image, label in zip(pixels, wanted.tolist(), strict=True):
        shown = (image * teacher.std[0] + teacher.mean[0]).flatten()
        off = (shown @ teacher.matrix).softmax(0) - torch.eye(3, dtype=torch.float64)[label]
        slope = (teacher.matrix @ off).view(3, 4, 4)  # in 0…1
        squares = [0.0] * 4
        for channel, y, x in itertools.product(range(3), range(4), range(4)):
            squares[y // 2 * 2 + x // 2] += float(slope[channel, y, x] * teacher.std[0, channel, 0, 0]) ** 2
        actual.append([square**0.5 for square in squares])
    return actual


def test_the_importance_of_a_patch_is_the_length_of_its_gradient() -> None:
    teacher: Any = Linear(size=0.1)
    pixels, wanted = normal(3, 3, 4, 4, seed=2), torch.tensor([0, 1, 2])
    actual = STILL._importance(teacher, pixels, wanted)
    patch_lengths = (actual * 2**2).sqrt()  # the mean square of a patch, which orders patches alike
    assert torch.allclose(patch_lengths, torch.tensor(importance_by_loop(teacher, pixels, wanted), dtype=torch.float64))


class Rounds:
    """Inputs and outputs of each round of completion in `synthesize`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[Tensor] = []
        self.unmasked: list[Tensor] = []
        self.ended: list[Tensor] = []
        completed = MaskAndPredict._completed

        def watched(method: MaskAndPredict, teacher: Any, pixels: Tensor, where: Tensor, *more: Any) -> Tensor:
            actual = completed(method, teacher, pixels, where, *more)
            self.begun.append(pixels.clone())
            self.unmasked.append(where.expand_as(pixels))
            self.ended.append(actual.clone())
            return actual

        monkeypatch.setattr(MaskAndPredict, "_completed", watched)


def test_patches_whose_gradient_is_longest_are_unmasked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, teacher = Rounds(monkeypatch), Linear(size=0.1)
    wanted = torch.tensor([0, 1, 2])
    STILL.synthesize(teacher, wanted, rng())  # type: ignore[arg-type]
    importance = importance_by_loop(teacher, torch.zeros(3, 3, 4, 4, dtype=torch.float64), wanted)
    for image, of in enumerate(importance):
        most = sorted(range(4), key=of.__getitem__)[2:]
        unmasked = rounds.unmasked[0][image, 0, ::2, ::2].flatten()  # one pixel of each patch
        assert unmasked.nonzero().flatten().tolist() == sorted(most)


def test_unmasked_patches_stay(backbone: Backbone, pool: LoraPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one round more, the first rounds' patches are the same."""
    rounds = Rounds(monkeypatch)
    images = recovered(backbone, pool, replace(MASKED, rounds=3, iterations=3))
    written = torch.zeros(20, 3, 16, 16, dtype=torch.bool)
    before = torch.zeros(20, 3, 16, 16)
    for fresh, after in zip(rounds.unmasked, rounds.ended, strict=True):
        assert not (written & fresh).any()
        assert torch.equal(after[written], before[written])
        assert (after[fresh] != 0).float().mean() > 0.9  # zero is the mask
        written, before = written | fresh, after
        assert not after[~written].any()
    assert len(rounds.ended) == 3
    assert written.all()
    assert torch.equal(images, (before * backbone.normalize.std + backbone.normalize.mean).clamp(0, 1))


def test_completion_optimises_the_unmasked_patches_and_nothing_else() -> None:
    teacher: Any = Linear()
    pixels = 0.1 * normal(2, 3, 4, 4, seed=3)
    where = patch_mask(torch.tensor([[True, False, False, True], [False, True, False, False]]), 2, 2).expand_as(pixels)
    actual = STILL._completed(teacher, pixels, where, torch.tensor([0, 1]), rng(), range(4))
    assert torch.equal(actual[~where], pixels[~where])
    assert (actual[where] != pixels[where]).all()


@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_completion_descends_cross_entropy_and_the_differences_of_neighbours(weight: float) -> None:
    teacher: Any = Linear(size=0.3)
    pixels, wanted = 0.1 * normal(2, 3, 4, 4, seed=3), torch.tensor([0, 2])
    where = patch_mask(torch.tensor([[True, False, False, True], [False, True, True, False]]), 2, 2)
    method = replace(STILL, total_variation=weight, lr=0.02)
    free = pixels.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], betas=(0.5, 0.99))
    for step in range(4):
        images = torch.where(where, free, pixels) * teacher.std + teacher.mean
        squares = [images.new_zeros(()), images.new_zeros(())]
        for y, x in itertools.product(range(4), range(4)):
            if y:
                squares[0] = squares[0] + (images[:, :, y, x] - images[:, :, y - 1, x]).square().sum()
            if x:
                squares[1] = squares[1] + (images[:, :, y, x] - images[:, :, y, x - 1]).square().sum()
        entropy = sum(
            -teacher.logits(images)[index].log_softmax(0)[label] for index, label in enumerate(wanted.tolist())
        )
        loss = entropy + 2 * weight * (squares[0] + squares[1]) / (2 * 3 * 4 * 3)
        optimizer.param_groups[0]["lr"] = 0.02 * (1, 0.5 + 0.125**0.5, 0.5, 0.5 - 0.125**0.5)[step]  # half a cosine
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    actual = method._completed(teacher, pixels, where, wanted, rng(), range(4))
    assert torch.allclose(actual, torch.where(where, free.detach(), pixels), rtol=0, atol=1e-9)


def test_a_patch_that_does_not_divide_the_image_is_an_error(backbone: Backbone, pool: LoraPool) -> None:
    with pytest.raises(OptionError, match="'patch' of 'mask-and-predict' is 5, which does not divide"):
        recovered(backbone, pool, replace(MASKED, patch=5))


# --- in the toy world ---------------------------------------------------------------------------


@pytest.mark.parametrize("inversion", ["deep-inversion", "cmi", "mask-and-predict", "zeroth-order"])
def test_lora_recycle_runs_with_any_inversion(toy: Toy, inversion: str) -> None:
    options = (f"inversion={inversion}", "inversion.iterations=3", "per_class=5", "learner.iterations=3")
    extra = {"deep-inversion": ("inversion.prior=none",), "zeroth-order": ("inversion.directions=2",)}
    record = toy.record("lora-recycle", options=(*options, *extra.get(inversion, ()), "learner.warmup=1"))
    assert (record.status, record.tags.data_free) == ("ok", "strict")


def test_recovered_images_form_valid_shots(backbone: Backbone, pool: LoraPool) -> None:
    images = recovered(backbone, pool, replace(MASKED, iterations=1))
    assert len(Shots(images, labels())) == WAY * PER_CLASS
    assert images.min() >= 0
    assert images.max() <= 1
