"""The interface of inversion methods, which synthesise images from LoRAs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from freeshot.basics.errors import ContractError
from freeshot.contracts.component import Component
from freeshot.contracts.tensors import Checkpoint

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor


@dataclass(frozen=True, eq=False)
class TeacherView:
    """A teacher's logits and the class tokens that lead to them."""

    logits: Tensor
    """[n, c]."""
    tokens: Tensor
    """[n, layers, d], the class token after each block."""


class Teacher(Protocol):
    """The pool LoRAs as an inversion method sees them: a function of images, and a step counter.

    A teacher may represent a *group* of LoRAs: images are ordered by LoRA, equally many for each, and every image gets
    the logits of its own LoRA. An inversion method need not handle the group size.
    """

    image_size: int
    """Side of the images in pixels."""
    mean: Tensor
    """[1, 3, 1, 1], channel means of the backbone's normalisation, in 0…1 pixels."""
    std: Tensor
    """[1, 3, 1, 1]."""
    device: torch.device
    checkpoint: Checkpoint
    """Stores the state of a long inversion and restores it after an interruption."""

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of each image's own LoRA: [n, 3, h, w] in 0…1 → [n, c]; differentiable in the images."""

    def logits_and_tokens(self, images: Tensor) -> TeacherView:
        """Return the logits together with the class tokens after each block; differentiable in the images."""

    def steps(self, count: int, start: int = 0) -> Iterator[int]:
        """Count start…count−1, report progress and pass it to the strategy."""


@dataclass(frozen=True)
class InversionMethod(Component):
    """Synthesise images from LoRAs, without access to any real image."""

    kind: ClassVar[str] = "inversion"
    data_free: ClassVar[str] = "strict"
    """'strict': uses the pool only; 'public prior': also uses statistics of a public network."""

    @abstractmethod
    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return detached images [n, 3, h, w] in 0…1 that the teacher classifies as `labels` [n]."""

    def weight_files(self) -> Sequence[str]:
        """Return the weight files that images depend on besides the LoRAs; every recipe includes their content."""
        return ()


class Teachers(Protocol):
    """All LoRAs of a pool, each available as a teacher, and a step counter for learning from them."""

    image_size: int
    """Side of the images in pixels."""
    device: torch.device

    def __len__(self) -> int: ...

    def teacher(self, index: int) -> Teacher:
        """Return LoRA `index`."""

    def way(self, index: int) -> int:
        """Return the number of classes of LoRA `index`."""

    def steps(self, count: int) -> Iterator[int]:
        """Count 0…count−1 while reporting progress."""


@dataclass(frozen=True)
class LearnedInversion(InversionMethod):
    """Learn once from all LoRAs of the pool how to invert, then synthesise images from each LoRA quickly."""

    @abstractmethod
    def learn(self, teachers: Teachers, per_class: int, rng: Generator) -> Mapping[str, Tensor]:
        """Return the learned weights as named tensors; they are stored with the pool's surrogates."""

    @abstractmethod
    def synthesize_with(
        self, teacher: Teacher, labels: Tensor, rng: Generator, learned: Mapping[str, Tensor]
    ) -> Tensor:
        """Return detached images [n, 3, h, w] in 0…1 that the teacher classifies as `labels` [n]."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Raise ContractError, because this inversion must first learn from a pool."""
        raise ContractError(f"Inversion '{self.name}' must first learn from a pool. Use bench.surrogates().")
