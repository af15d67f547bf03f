"""The interface of inversion methods: from LoRAs to images."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from freeshot.basics.errors import ContractError
from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch
    from torch import Generator, Tensor

    from freeshot.contracts.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class TeacherView:
    """What a teacher says of images, and what led it there."""

    logits: Tensor
    """[n, c]."""
    tokens: Tensor
    """[n, layers, d], the class token after each block."""


class Teacher(Protocol):
    """The pre-tuned LoRAs as an inversion method sees them: a function of images, and a clock.

    A teacher may stand for a *group* of LoRAs: images are ordered by LoRA, equally many each, and every
    image gets the logits of its own LoRA. An inversion method need not know how many there are.
    """

    image_size: int
    """Side of the images in pixels."""
    mean: Tensor
    """[1, 3, 1, 1], channel means of the backbone's normalisation, in 0…1 pixels."""
    std: Tensor
    """[1, 3, 1, 1]."""
    device: torch.device
    checkpoint: Checkpoint
    """Where a long inversion may leave its state, and find it after an interruption."""

    def logits(self, images: Tensor) -> Tensor:
        """Return what each image's own LoRA says of it: [n, 3, h, w] in 0…1 → [n, c]; differentiable in the images."""
        ...

    def inside(self, images: Tensor) -> TeacherView:
        """Return the logits together with the class tokens that led to them; differentiable in the images."""
        ...

    def moved(self, images: Tensor, down: int, right: int, *, mirrored: bool) -> Tensor:
        """Roll all images [n, 3, h, w] by some pixels, perhaps mirror them, and look at them so moved.

        Going through the teacher lets it keep track of patches that a strategy stops; rolls are then by whole patches.
        """
        ...

    def steps(self, count: int, start: int = 0) -> Iterator[int]:
        """Count start…count−1 while reporting progress and telling the strategy how far it is."""
        ...


@dataclass(frozen=True)
class InversionMethod(Component):
    """Recover images from LoRAs, without ever seeing a real image."""

    kind: ClassVar[str] = "inversion"
    data_free: ClassVar[str] = "strict"
    """'strict': the pool alone; 'public prior': statistics of a public network as well."""
    steady: ClassVar[bool] = True
    """Whether all looks are at the same images, moved by `teacher.moved`: only of those can patches be stopped."""

    @abstractmethod
    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1 that the teacher takes for `labels` [n]; detached."""

    def files(self) -> Sequence[str]:
        """Name the files of weights that images depend on beside the LoRAs; their content is part of every recipe."""
        return ()

    def beside(self, side: int) -> float:
        """Return the operations per image of `side` pixels and step that are spent beside the LoRA, for forecasts."""
        return 0.0


class Teachers(Protocol):
    """All LoRAs of a pool, each to be had as a teacher of its own; a clock for learning from them."""

    image_size: int
    """Side of the images in pixels."""
    device: torch.device

    def __len__(self) -> int: ...

    def teacher(self, index: int) -> Teacher:
        """Return LoRA `index`."""
        ...

    def way(self, index: int) -> int:
        """Return how many classes LoRA `index` tells apart."""
        ...

    def steps(self, count: int) -> Iterator[int]:
        """Count 0…count−1 while reporting progress."""
        ...


@dataclass(frozen=True)
class LearnedInversion(InversionMethod):
    """Learn from all LoRAs of the pool how to invert, once; then recover images from each quickly."""

    @abstractmethod
    def learn(self, teachers: Teachers, per_class: int, rng: Generator) -> Mapping[str, Tensor]:
        """Return what was learned as named tensors; it is kept with the pool's surrogates."""

    @abstractmethod
    def recover(self, teacher: Teacher, labels: Tensor, rng: Generator, learned: Mapping[str, Tensor]) -> Tensor:
        """Return images [n, 3, h, w] in 0…1 that the teacher takes for `labels` [n]; detached."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Refuse: without what was learned there is nothing to recover with."""
        raise ContractError(f"Inversion '{self.name}' learns from a pool first. Ask the workbench for surrogates.")
