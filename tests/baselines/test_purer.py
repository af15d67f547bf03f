"""PURER: one set of pixels per class, steps of images and learner in turn, harder images when learning stalls."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from tests import slowly
from tests.baselines.conftest import WAY, streams
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import DivergedError, OptionError, PoolError
from freeshot.engine import BankTeacher, LoraBank, SharedLora, slots_of
from freeshot.engine.inversion.pixel_optimizer import variation_norm
from freeshot.engine.lora.meta_model import adapter_of, bank_of
from freeshot_baselines.purer.calibration import CalibratedLearner, contrastive_losses
from freeshot_baselines.purer.learnable_images import Curriculum, LearnableImages
from freeshot_baselines.purer.method import Purer, episode_loss

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot import Adapter, Task
    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone, EpisodeBackbone
    from freeshot.engine.vit.backbone import TrainableBackbone

HALF = torch.full((1, 3, 1, 1), 0.5)
SMALL = ("iterations=3", "loras=2", "per_class=4", "warmup=0", "patience=1")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def memory(lr: float = 0.1) -> LearnableImages:
    return LearnableImages([7, 3, 7, 5], 4, 16, (HALF, HALF), lr, rng())


@pytest.fixture(scope="module")
def precise(backbone: Backbone) -> Backbone:
    """Return the toy network in float64."""
    vit, normalize = copy.deepcopy(backbone.vit).double(), copy.deepcopy(backbone.normalize).double()
    return replace(backbone, vit=vit, normalize=normalize)


def precise_memory(precise: Backbone, names: list[int], per_class: int) -> LearnableImages:
    return LearnableImages(names, per_class, 16, (precise.normalize.mean, precise.normalize.std), 0.05, rng())


def reached(learnable: LearnableImages, images: Tensor) -> dict[int, list[int]]:
    """Return which images of which classes a sum of images has a slope in."""
    names = [3, 5, 7]
    pixels = [learnable._pixels[name] for name in names]
    slopes = torch.autograd.grad(images.sum(), pixels, allow_unused=True, retain_graph=True)
    nonzero = {name: slope for name, slope in zip(names, slopes, strict=True) if slope is not None and slope.any()}
    return {name: slope.flatten(1).any(1).nonzero().flatten().tolist() for name, slope in nonzero.items()}


def test_a_class_of_two_loras_has_one_set_of_pixels() -> None:
    actual = memory()
    assert actual.pixels([3, 5, 7]).shape == (12, 3, 16, 16)
    assert torch.equal(actual.pixels([7]), actual.pixels([3, 5, 7])[8:])


def test_a_step_moves_the_requested_classes_as_adam_does() -> None:
    actual = memory()
    before = {name: actual.pixels([name]).detach().clone() for name in (3, 5, 7)}
    slow = before[3].clone().requires_grad_()
    optimizer = torch.optim.Adam([slow], lr=0.1)
    for _ in range(2):
        actual.step(actual.pixels([3]).pow(2).sum())
        optimizer.zero_grad()
        slow.pow(2).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            slow.clamp_(-1, 1)  # valid colours
    assert torch.allclose(actual.pixels([3]), slow)
    assert torch.equal(actual.pixels([5]), before[5].clamp(-1, 1))


def test_episodes_are_drawn_from_the_pixels_and_lead_back_to_them() -> None:
    actual = memory()
    task = actual.episode(2, 1, 3, rng(1))
    assert (len(task.support), len(task.query), task.way) == (2, 6, 2)
    assert task.query.labels.tolist() == [0, 0, 0, 1, 1, 1]
    images = actual.images(actual.pixels([3, 5, 7]))
    everything = torch.cat([task.support.images, task.query.images])
    assert all(any(torch.equal(image, drawn) for drawn in images) for image in everything)
    assert len({image.sum().item() for image in everything.detach()}) == 8  # none is shown twice
    led_to = []
    for label in range(2):
        in_support, in_query = (
            reached(actual, part.images[part.labels == label]) for part in (task.support, task.query)
        )
        assert list(in_support) == list(in_query)  # one class
        ((name, indices),) = in_support.items()
        assert sorted(indices + in_query[name]) == [0, 1, 2, 3]
        led_to.append(name)
    assert len(set(led_to)) == 2
    assert sorted(reached(actual, actual.episode(3, 1, 3, rng(1)).query.images)) == [3, 5, 7]


def test_images_are_made_harder_when_accuracy_stalls() -> None:
    curriculum = Curriculum(patience=2, warmup=0)
    assert [curriculum.harder(a) for a in (0.5, 0.6, 0.6, 0.5, 0.4, 0.5, 0.5)] == [0, 0, 0, 1, 0, 0, 0]
    assert curriculum.harder(0.5)


def test_images_are_not_made_harder_too_early() -> None:
    curriculum = Curriculum(patience=1, warmup=4)
    assert [curriculum.harder(0.5) for _ in range(6)] == [0, 0, 0, 0, 1, 0]


def slow_episode_loss(model: SharedLora, task: Task) -> Tensor:
    support, query = (model.embed(shots.images) for shots in (task.support, task.query))
    return slowly.cross_entropy(
        slowly.nearest_mean_logits(query, support, task.support.labels, task.way), task.query.labels
    )


def test_an_episodes_loss_is_the_cross_entropy_of_the_nearest_class_mean(precise: Backbone) -> None:
    actual, model = precise_memory(precise, [3, 5, 7], 4), SharedLora(precise, 2, rng())
    task = actual.episode(3, 2, 2, rng(1))
    with torch.no_grad():
        loss, accuracy = episode_loss(model, task)
        assert float(loss) == pytest.approx(float(slow_episode_loss(model, task)), abs=1e-9)
        support, query = (model.embed(shots.images) for shots in (task.support, task.query))
    nearest = slowly.nearest_mean_logits(query, support, task.support.labels, 3).argmax(1)
    right = [int(n == label) for n, label in zip(nearest.tolist(), task.query.labels.tolist(), strict=True)]
    assert accuracy == pytest.approx(sum(right) / 6)


@dataclass(frozen=True)
class StubBench:
    """A bench in float64: the toy network, its pool, and a random stream for each name."""

    network: Backbone
    loras: LoraPool
    way: int = 3
    shot: int = 1
    query: int = 1

    def backbone(self) -> TrainableBackbone:
        return self.network.trainable_copy()

    def pool(self) -> LoraPool:
        return self.loras

    def rng(self, name: str) -> torch.Generator:
        return rng(len(name))


@pytest.mark.parametrize("stalled", [False, True])
def test_images_ascend_the_learners_loss_only_where_learning_stalled(
    precise: Backbone, pool: LoraPool, monkeypatch: pytest.MonkeyPatch, stalled: bool
) -> None:
    """Walk two steps by hand with the same random numbers, the second of them after the curriculum's decision."""
    method, bench = (
        Purer(iterations=2, loras=2, per_class=2, pixel_lr=0.05, lr=0.01, feedback=3.0),
        StubBench(precise, pool),
    )
    names = [name for entry in pool.entries for name in entry.class_ids]
    actual, slow = (precise_memory(precise, names, 2) for _ in range(2))
    monkeypatch.setattr(Purer, "_learnable_images", lambda *_: actual)
    monkeypatch.setattr(Curriculum, "harder", lambda *_: stalled)
    tensors = method._lockstep(cast("Any", bench), lambda done, total: None)

    draws, model = bench.rng("lockstep"), SharedLora(precise, 4, bench.rng("init"))
    pictures = torch.optim.Adam(slow._pixels.values(), lr=0.05)
    learner = torch.optim.Adam(model.lora(), lr=0.01)
    for harder in (False, stalled):
        first, second = torch.randperm(4, generator=draws)[:2].tolist()
        losses = [
            method.inversion_loss(BankTeacher(precise, [entry]), slow, entry.class_ids, draws)
            for entry in (pool.entries[first], pool.entries[second])
        ]
        loss = (losses[0] + losses[1]) / 2
        if harder:
            loss = loss - 3.0 * slow_episode_loss(model, slow.episode(3, 1, 1, draws))
        pictures.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        pictures.step()
        with torch.no_grad():
            for pixels in slow._pixels.values():
                pixels.copy_(pixels.maximum(slow._low).minimum(slow._high))  # valid colours
        learner.zero_grad()
        slow_episode_loss(model, slow.episode(3, 1, 1, draws)).backward()  # type: ignore[no-untyped-call]
        learner.step()

    for name in set(names):
        assert torch.allclose(actual.pixels([name]), slow.pixels([name]), rtol=0, atol=1e-6)
    expected = model.snapshot().tensors
    assert all(torch.allclose(tensor, expected[name], rtol=0, atol=1e-6) for name, tensor in tensors.items())


def test_the_inversion_loss_is_that_of_its_parts(
    backbone: Backbone, pool: LoraPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeshot.engine.inversion.pixel_optimizer.jittered", lambda images, *_, **__: images)
    entry = pool.entries[0]
    teacher = BankTeacher(backbone, [entry])
    actual = LearnableImages(entry.class_ids, 2, 16, (teacher.mean, teacher.std), 0.1, rng())
    method = Purer(jitter=0.0, total_variation=0.2, l2=0.3)

    pixels = actual.pixels(entry.class_ids)
    labels = torch.arange(5).repeat_interleave(2)
    slow = cross_entropy(teacher.plain_logits(actual.images(pixels)), labels)
    slow = slow + torch.stack([0.2 * variation_norm(p[None])[0] + 0.3 * p.norm() for p in pixels]).mean()
    assert torch.allclose(method.inversion_loss(teacher, actual, entry.class_ids, rng()), slow)


# --- calibration at test (ICFIL) ----------------------------------------------------------------

CALIBRATED = Purer(
    calibrate=3,
    calibrate_lr=0.01,
    calibrate_temperature=0.2,
    calibrate_inversion=4,
    pixel_lr=0.3,
    total_variation=0.02,
    l2=0.03,
)
LABELS = torch.arange(WAY).repeat_interleave(2)


def slow_contrast(features: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Write out the supervised contrastive loss of features [n, d]."""
    units = [feature / feature.norm() for feature in features]
    images = range(len(units))
    near = [[(units[i] @ units[j] / temperature).exp() for j in images] for i in images]
    losses = []
    for i in images:
        others = torch.stack([near[i][j] for j in images if j != i]).sum()
        alike = [j for j in images if j != i and labels[j] == labels[i]]
        losses.append(-torch.stack([(near[i][j] / others).log() for j in alike]).mean())
    return torch.stack(losses).mean()


def test_the_contrastive_loss_is_that_of_khosla() -> None:
    features, labels = torch.randn(3, 7, 4, generator=rng(), dtype=torch.float64), torch.tensor([0, 0, 1, 1, 1, 2, 2])
    actual = contrastive_losses(features, labels.expand(3, -1), 0.3)
    assert [float(loss) for loss in actual] == pytest.approx([float(slow_contrast(f, labels, 0.3)) for f in features])


def shared_lora(trunk: EpisodeBackbone) -> Adapter:
    """Return a LoRA that does something, in float64."""
    bank = LoraBank.fresh(trunk.vit, slots_of(trunk.vit), 2, 1, rng(3))
    with torch.no_grad():
        for number, weight in enumerate(bank.parameters()):
            weight.copy_(0.05 * torch.randn(weight.shape, generator=rng(number), dtype=torch.float64))
    return adapter_of(bank.entry_factors(0))


def slowly_inverted(trunk: EpisodeBackbone, bank: LoraBank, support: Tensor, stream: torch.Generator) -> Tensor:
    """Walk the inversion of one episode [n, 3, h, w], image by image."""
    mean, std = trunk.normalize.mean, trunk.normalize.std
    with torch.no_grad():
        support_features = trunk.features(support[None], bank)[0]
    pixels = torch.randn(support.shape, generator=stream).double().requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=CALIBRATED.pixel_lr)
    for _ in range(CALIBRATED.calibrate_inversion):
        seen = trunk.features((pixels * std + mean)[None], bank)[0]
        logits = slowly.nearest_mean_logits(seen, support_features, LABELS, WAY)
        loss = slowly.cross_entropy(logits, LABELS) * len(pixels)
        for image in pixels:
            loss = loss + CALIBRATED.total_variation * variation_norm(image[None])[0] + CALIBRATED.l2 * image.norm()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            pixels.copy_(pixels.maximum(-mean / std).minimum((1 - mean) / std))
    return (pixels.detach() * std + mean).clamp(0, 1)


def test_episodes_are_inverted_and_calibrated_as_each_alone(
    trunk: EpisodeBackbone, episodes: tuple[Tensor, Tensor]
) -> None:
    support, queries = episodes
    adapter = shared_lora(trunk)
    learner = CalibratedLearner(trunk, adapter, CALIBRATED, 3)
    actual = learner.adapt_many(support, WAY, streams(3))(queries)
    for e, stream in enumerate(streams(3)):
        bank = bank_of(adapter, trunk.like)
        images = torch.cat([support[e], slowly_inverted(trunk, bank, support[e], stream)])
        weights = list(bank.parameters())
        optimizer = torch.optim.Adam(weights, lr=CALIBRATED.calibrate_lr)
        for _ in range(CALIBRATED.calibrate):
            optimizer.zero_grad()
            slow_contrast(
                trunk.features(images[None], bank)[0], LABELS.repeat(2), CALIBRATED.calibrate_temperature
            ).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            support_features, query_features = (trunk.features(part[e : e + 1], bank)[0] for part in (support, queries))
            assert torch.allclose(
                actual[e], slowly.nearest_mean_logits(query_features, support_features, LABELS, WAY), atol=1e-7
            )
        assert learner.tuned_parameters == sum(weight.numel() for weight in weights)


def test_a_calibrated_row_is_tuned_and_reuses_the_same_lockstep(toy: Toy) -> None:
    plain = toy.record("purer", suite=None, options=SMALL)
    record = toy.record("purer", suite=None, options=(*SMALL, "calibrate=2", "calibrate_inversion=2"))
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", False), record.reason
    assert next(stage for stage in record.stages if stage.stage == "lockstep").cached
    assert plain.tags.tuning_free
    assert record.log_odds != plain.log_odds


@pytest.mark.parametrize("option", ["calibrate=-1", "calibrate_temperature=0"])
def test_invalid_options_of_calibration_are_refused(toy: Toy, option: str) -> None:
    name, _, value = option.partition("=")
    with pytest.raises(OptionError, match=f"Option '{name}' of 'purer' must be above 0, but is {value}"):
        toy.plan("purer", suite=None, options=(option,))


# --- in the toy world ---------------------------------------------------------------------------


def test_purer_is_strictly_data_free_and_done_once_per_pool_and_shape(toy: Toy) -> None:
    record = toy.record("purer", suite=None, options=SMALL)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True), record.reason
    stage = next(stage for stage in record.stages if stage.stage == "lockstep")
    assert not stage.cached
    again = toy.record("purer", suite=None, options=SMALL, rerun=True)
    assert next(stage for stage in again.stages if stage.stage == "lockstep").cached
    assert again.accuracies == record.accuracies


def test_a_diverging_rate_is_an_error(toy: Toy) -> None:
    with pytest.raises(DivergedError, match=r"The loss of the learner of 'purer' is .*\. Lower its lr\."):
        Purer(iterations=3, per_class=4, lr=1e30, warmup=0, patience=1).prepare(toy.bench(Purer()))


def test_a_pool_of_too_few_classes_is_an_error(toy: Toy) -> None:
    bench = toy.bench(Purer())
    bench.way = 99
    with pytest.raises(PoolError, match="Episodes of 99 classes cannot be drawn from the"):
        Purer(iterations=3, per_class=4).prepare(bench)
