"""The method: alternate steps of learner and images, which become harder when the learner stalls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from freeshot import Adapter, Learner, LoraPool, Method, Model, Needs, Task, Workbench
from freeshot.basics.errors import PoolError
from freeshot.basics.validators import require_positive
from freeshot_baselines.adaptation.batched_adam import freeze_for_episodes
from freeshot_baselines.training_loop import counted, descend

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import BankTeacher
    from freeshot_baselines.purer.learnable_images import LearnableImages


@dataclass(frozen=True)
class Purer(Method):
    """Optimise the pixels of all classes and the meta-LoRA in alternation; make images harder when learning stalls.

    Re-implementation for a pool of LoRAs on a frozen ViT. Episodes are drawn from the pixels (episode curriculum
    inversion), a class that several LoRAs share has one set of pixels, and some LoRAs are used at each step. A ViT has
    no batch norms, so their statistics are omitted. The learner is a LoRA that classifies by nearest prototype, which
    needs no tuning at test. The paper's calibration at test by inversion (ICFIL) is an option, `calibrate`: images are
    inverted from the adapted model, and it is tuned until real and inverted images of a class have similar features.
    The released code does not contain it and its equations were not available, so the loss (supervised contrastive),
    rate and steps are ours.
    """

    name = "purer"
    citation = "Hu et al., Architecture, Dataset and Model-Scale Agnostic Data-free Meta-Learning (PURER), CVPR 2023"
    paper_url = "https://arxiv.org/abs/2303.11183"
    code_url = "https://github.com/Egg-Hu/PURER"
    needs = frozenset({Needs.POOL})
    iterations: int = 60_000
    """Steps, each of images and learner. code: 240,000 episodes, four to a step."""
    lr: float = 1e-3
    """Learning rate of Adam on the LoRA. code: 1e-3."""
    pixel_lr: float = 0.25
    """Learning rate of Adam on the pixels. code: 0.25."""
    loras: int = 4
    """LoRAs that are used at each step; ours: the code uses all 13 of its models."""
    per_class: int = 20
    """Images of each class, at least one more than the shots; the remaining ones are queries. code: shots and 15."""
    total_variation: float = 1e-4
    """Weight of the unsquared total variation of an image. code: 1e-4."""
    l2: float = 1e-5
    """Weight of an image's norm. code: 1e-5."""
    jitter: float = 0.0625
    """Images are rolled by up to this share of their side at each step. code: 2 of 32 pixels."""
    feedback: float = 10.0
    """Weight of an episode's loss, which harder images increase. code: 10."""
    patience: int = 6
    """Steps without a rise of training accuracy after which the next images are made harder. code: 6."""
    warmup: int = 4000
    """Steps before this starts. code: 4,000."""
    rank: int = 4
    """Rank of the meta-LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that the LoRA modifies, of q, k, v, proj, fc1 and fc2."""
    calibrate: int = 0
    """Steps of calibration on each support set (ICFIL); 0: none, and the row is tuning-free."""
    calibrate_lr: float = 1e-3
    """Learning rate of Adam in calibration; ours."""
    calibrate_inversion: int = 20
    """Steps of the inversion of images from the adapted model, as many as the support set has; ours."""
    calibrate_temperature: float = 0.1
    """Of the contrastive loss; ours."""

    def __post_init__(self) -> None:
        require_positive(self, "calibrate_temperature", *["calibrate"] * bool(self.calibrate))

    def prepare(self, bench: Workbench) -> Learner:
        """Optimise once per pool and episode shape; embed with the result, or calibrate it."""
        options = {name: value for name, value in asdict(self).items() if not name.startswith("calibrate")}
        trained = Adapter(
            bench.cached_tensors("lockstep", {"options": options}, lambda on_step: self._lockstep(bench, on_step))
        )
        return self._calibrated(bench, trained) if self.calibrate else bench.adapted(trained)

    def _calibrated(self, bench: Workbench, adapter: Adapter) -> Learner:
        from freeshot_baselines.purer.calibration import CalibratedLearner

        backbone, episodes_per_batch = freeze_for_episodes(bench, copies=2)
        return CalibratedLearner(backbone, adapter, self, episodes_per_batch)

    def _lockstep(self, bench: Workbench, on_step: Callable[[int, int], None]) -> Mapping[str, Tensor]:
        """Return the trained LoRA."""
        import torch

        from freeshot.engine import BankTeacher, SharedLora
        from freeshot.engine.vit.backbone import TrainableBackbone
        from freeshot_baselines.purer.learnable_images import Curriculum

        network = bench.backbone()
        assert isinstance(network, TrainableBackbone)
        backbone = network.freeze()
        entries, rng = bench.pool().entries, bench.rng("lockstep")
        teachers = [BankTeacher(backbone, [entry]) for entry in entries]
        images = self._learnable_images(bench.pool(), teachers[0], bench)
        model = SharedLora(backbone, self.rank, bench.rng("init"), self.targets)
        optimizer = torch.optim.Adam(model.lora(), lr=self.lr)
        curriculum, harder = Curriculum(self.patience, self.warmup), False
        shape = (bench.way, bench.shot, min(bench.query, self._images(bench) - bench.shot))
        for step in counted(self.iterations, on_step):
            drawn = torch.randperm(len(entries), generator=rng)[: self.loras].tolist()
            loss = torch.stack(
                [self.inversion_loss(teachers[i], images, entries[i].class_ids, rng) for i in drawn]
            ).mean()
            if harder:
                loss = loss - self.feedback * episode_loss(model, images.episode(*shape, rng))[0]
            images.step(loss, step)
            with torch.no_grad():
                episode = images.episode(*shape, rng)
            loss, accuracy = episode_loss(model, episode)
            descend(optimizer, loss, "the learner of 'purer'", step)
            harder = curriculum.harder(accuracy)
        return model.snapshot().tensors

    def inversion_loss(
        self, teacher: BankTeacher, learnable: LearnableImages, class_ids: tuple[int, ...], rng: Generator
    ) -> Tensor:
        """Return cross-entropy, variation and length of a LoRA's images, each a mean over images."""
        import torch
        from torch.nn.functional import cross_entropy

        from freeshot.engine.inversion.pixel_optimizer import jittered, lengths, variation_norm

        pixels = learnable.pixels(class_ids)  # [c·k, 3, h, w]
        labels = torch.arange(len(class_ids), device=pixels.device).repeat_interleave(len(pixels) // len(class_ids))
        images = jittered(learnable.images(pixels), rng, self.jitter, flip=True)
        smooth = self.total_variation * variation_norm(pixels) + self.l2 * lengths(pixels)
        return cross_entropy(teacher.logits(images), labels) + smooth.mean()

    def _learnable_images(self, pool: LoraPool, teacher: BankTeacher, bench: Workbench) -> LearnableImages:
        from freeshot_baselines.purer.learnable_images import LearnableImages

        names = [name for entry in pool.entries for name in entry.class_ids]
        if len(set(names)) < bench.way:
            raise PoolError(
                f"Episodes of {bench.way} classes cannot be drawn from the {len(set(names))} classes of the pool. "
                "Choose a pool with more classes, or a track with a smaller way."
            )
        bounds = (teacher.mean, teacher.std)
        return LearnableImages(
            names, self._images(bench), teacher.image_size, bounds, self.pixel_lr, bench.rng("pixels")
        )

    def _images(self, bench: Workbench) -> int:
        return max(self.per_class, bench.shot + 1)


def episode_loss(model: Model, task: Task) -> tuple[Tensor, float]:
    """Return the cross-entropy of nearest prototypes on an episode, and the accuracy."""
    from freeshot_baselines.meta_learners.task_loss import answer_loss, prototype_answers

    logits = prototype_answers(model, task)
    right = float((logits.argmax(1) == task.query.labels).double().mean())
    return answer_loss(logits, task), right
