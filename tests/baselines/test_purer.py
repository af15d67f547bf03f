"""PURER: one set of pixels per class, steps of images and learner in turn, harder images when learning stalls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import DivergedError, PoolError
from freeshot.engine import BankTeacher, SharedLora
from freeshot.engine.pixels import variation_norm
from freeshot_baselines.purer.memory import Curriculum, PixelMemory
from freeshot_baselines.purer.method import Purer, episode_loss

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone

HALF = torch.full((1, 3, 1, 1), 0.5)
SMALL = ("iterations=3", "loras=2", "per_class=4", "warmup=0", "patience=1")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def memory(lr: float = 0.1) -> PixelMemory:
    return PixelMemory([7, 3, 7, 5], 4, 16, (HALF, HALF), lr, rng())


def test_a_class_of_two_loras_has_one_set_of_pixels() -> None:
    found = memory()
    assert found.pixels([3, 5, 7]).shape == (12, 3, 16, 16)
    assert torch.equal(found.pixels([7]), found.pixels([3, 5, 7])[8:])


def test_a_step_moves_the_classes_that_were_asked_as_adam_does() -> None:
    found = memory()
    before = {name: found.pixels([name]).detach().clone() for name in (3, 5, 7)}
    slow = before[3].clone().requires_grad_()
    optimizer = torch.optim.Adam([slow], lr=0.1)
    for _ in range(2):
        found.step(found.pixels([3]).pow(2).sum())
        optimizer.zero_grad()
        slow.pow(2).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            slow.clamp_(-1, 1)  # colours that exist
    assert torch.allclose(found.pixels([3]), slow)
    assert torch.equal(found.pixels([5]), before[5].clamp(-1, 1))


def test_episodes_are_drawn_from_the_pixels_and_lead_back_to_them() -> None:
    found = memory()
    task = found.episode(2, 1, 3, rng(1))
    assert (len(task.support), len(task.query), task.way) == (2, 6, 2)
    assert task.query.labels.tolist() == [0, 0, 0, 1, 1, 1]
    images = found.images(found.pixels([3, 5, 7]))
    everything = torch.cat([task.support.images, task.query.images])
    assert all(any(torch.equal(image, known) for known in images) for image in everything)
    assert len({image.sum().item() for image in everything.detach()}) == 8  # none is shown twice
    (slope,) = torch.autograd.grad(task.query.images.sum(), found._pixels[3], allow_unused=True)
    others = torch.autograd.grad(found.episode(3, 1, 3, rng(1)).query.images.sum(), list(found._pixels.values()))
    assert slope is None or slope.any()
    assert all(other.any() for other in others)


def test_images_are_made_harder_when_accuracy_stalls() -> None:
    curriculum = Curriculum(patience=2, warmup=0)
    assert [curriculum.harder(a) for a in (0.5, 0.6, 0.6, 0.5, 0.4, 0.5, 0.5)] == [0, 0, 0, 1, 0, 0, 0]
    assert curriculum.harder(0.5)


def test_images_are_not_made_harder_too_early() -> None:
    curriculum = Curriculum(patience=1, warmup=4)
    assert [curriculum.harder(0.5) for _ in range(6)] == [0, 0, 0, 0, 1, 0]


def test_a_harder_step_raises_the_learners_loss(backbone: Backbone) -> None:
    found, model = memory(0.05), SharedLora(backbone, 2, rng())
    before, _ = episode_loss(model, found.episode(3, 1, 3, rng(1)))
    for _ in range(3):
        found.step(-episode_loss(model, found.episode(3, 1, 3, rng(1)))[0])
    after, _ = episode_loss(model, found.episode(3, 1, 3, rng(1)))
    assert after > before


def test_the_inversion_loss_is_that_of_its_parts(backbone: Backbone, pool: LoraPool) -> None:
    entry = pool.entries[0]
    teacher = BankTeacher(backbone, [entry])
    found = PixelMemory(entry.class_ids, 2, 16, (teacher.mean, teacher.std), 0.1, rng())
    method = Purer(jitter=0.0, total_variation=0.2, l2=0.3)

    class Unmoved(BankTeacher):
        def moved(self, images: Any, down: int, right: int, *, mirrored: bool) -> Any:
            return images

    pixels = found.pixels(entry.class_ids)
    labels = torch.arange(5).repeat_interleave(2)
    slow = cross_entropy(teacher.plain_logits(found.images(pixels)), labels)
    slow = slow + torch.stack([0.2 * variation_norm(p[None])[0] + 0.3 * p.norm() for p in pixels]).mean()
    assert torch.allclose(method.inversion_loss(Unmoved(backbone, [entry]), found, entry.class_ids, rng()), slow)


def test_learners_that_are_blind_to_pixels_leave_them_alone(backbone: Backbone) -> None:
    found, model = memory(), SharedLora(backbone, 2, rng())
    loss, accuracy = episode_loss(model, found.episode(3, 1, 3, rng(1)), detached=True)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(pixels.grad is None for pixels in found._pixels.values())
    assert 0 <= accuracy <= 1


# --- in the toy world ---------------------------------------------------------------------------


def test_purer_is_strictly_data_free_and_done_once_per_pool_and_shape(toy: Toy) -> None:
    record = toy.record("purer", suite=None, options=SMALL)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True), record.reason
    stage = next(stage for stage in record.stages if stage.stage == "lockstep")
    assert not stage.cached
    again = toy.record("purer", suite=None, options=SMALL, again=True)
    assert next(stage for stage in again.stages if stage.stage == "lockstep").cached
    assert again.accuracies == record.accuracies


def test_a_rate_that_diverges_is_told(toy: Toy) -> None:

    with pytest.raises(DivergedError, match=r"The learner's loss of 'purer' is .*\. Lower its lr\."):
        Purer(iterations=3, per_class=4, lr=1e30, warmup=0, patience=1).prepare(toy.bench(Purer()))


def test_a_pool_that_knows_too_few_classes_is_told(toy: Toy) -> None:

    bench = toy.bench(Purer())
    bench.way = 99
    with pytest.raises(PoolError, match="Episodes of 99 classes cannot be drawn from the"):
        Purer(iterations=3, per_class=4).prepare(bench)
