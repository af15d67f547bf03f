"""The tensors passed between stages: frozen dataclasses with checked shapes, and checkpoints of long stages.

Axes: n images, q query images, c classes (the way), k kept patch tokens, t tokens, d features, b batch. Images are
float in 0…1 unless stated as uint8; labels are integers 0…c−1 within a task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import ContractError

if TYPE_CHECKING:
    from torch import Tensor


def _agree(**lengths: int) -> None:
    """Require first axes of equal length."""
    if len(set(lengths.values())) > 1:
        raise ContractError(f"The first axes must have equal length, but their lengths are {lengths}.")


@dataclass(frozen=True, eq=False)
class Shots:
    """Labelled images with an optional patch mask each; `len(shots)` is n.

    ContractError if the images are not [n, 3, h, w], or if labels or `kept` do not have n rows.
    """

    images: Tensor
    """[n, 3, h, w], float in 0…1; h = w = the backbone's input side."""
    labels: Tensor
    """[n], integers 0…c−1."""
    kept: Tensor | None = None
    """[n, k], indices of the kept patches in raster order, ascending; None keeps all."""

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ContractError(f"Images must be [n, 3, h, w], but their shape is {list(self.images.shape)}.")
        parts = {"images": len(self.images), "labels": len(self.labels)}
        _agree(**parts, **({} if self.kept is None else {"kept": len(self.kept)}))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Task:
    """One few-shot task for meta-learning; its query labels are available because its images are synthetic or base."""

    support: Shots
    """Labelled images to learn from."""
    query: Shots
    """Images to classify, with their labels."""
    way: int
    """c, the number of classes."""
    teacher_logits: Tensor | None = None
    """[q, c], logits of the LoRA that the images were inverted from; None on tasks mixed from several LoRAs."""
    sources: tuple[str, ...] = ()
    """The LoRA that each class was inverted from; empty for real images."""

    def __post_init__(self) -> None:
        if self.teacher_logits is not None:
            _agree(query=len(self.query), teacher_logits=len(self.teacher_logits))


@dataclass(frozen=True)
class Episode:
    """One test episode as indices into a track's images: small, hashable, the same for every method."""

    id: int
    """Number of the episode within its track."""
    classes: tuple[int, ...]
    """Indices of the episode's classes within the split."""
    support: tuple[int, ...]
    """way × shot indices, class by class."""
    query: tuple[int, ...]
    """way × query indices, class by class."""


@dataclass(frozen=True, eq=False)
class ValidationEpisode:
    """An episode of validation classes with its labels, for choosing settings without test data."""

    support: Shots
    """Labelled images to learn from."""
    query: Shots
    """Images to classify, with their labels."""
    way: int
    """c, the number of classes."""


@dataclass(frozen=True, eq=False)
class SurrogateSet:
    """The images inverted from one LoRA, with labels, masks and the LoRA's logits.

    ContractError if shots and logits differ in number.
    """

    shots: Shots
    """n images with labels 0…c−1, and masks if a strategy dropped patches."""
    class_ids: tuple[int, ...]
    """The pool's class ids, by which equal classes of two LoRAs are matched."""
    teacher_logits: Tensor
    """[n, c]."""
    mirrored_logits: Tensor
    """[n, c], for the images flipped left to right."""
    source: str
    """Name of the LoRA."""
    statistics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _agree(
            shots=len(self.shots), teacher_logits=len(self.teacher_logits), mirrored_logits=len(self.mirrored_logits)
        )


@dataclass(frozen=True, eq=False)
class LayerView:
    """The view of one layer that an efficiency strategy gets, between attention and MLP."""

    layer: int
    """0-based."""
    layers: int
    """Number of layers."""
    progress: float
    """Progress of the inversion, 0…1; 1 when the final mask is computed."""
    attention: Tensor
    """[b, heads, t, t], softmaxed; token 0 is the class token."""
    keys: Tensor
    """[b, heads, t, d / heads], a measure of token similarity."""
    kept: Tensor
    """[b, t − 1], indices of the patches that have not been dropped."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """A trained LoRA as named tensors; immutable, so that a run can be repeated.

    Each slot has two: A [r, i] and B [o, r]; B·A is added to the slot's rows of the layer's weight. `Model.snapshot()`
    and `freeshot.engine.adapter_of(factors)` make adapters; `freeshot.engine.factors_of(adapter)` returns the factors
    by slot.
    """

    tensors: Mapping[str, Tensor]
    """'MODULE[START:STOP].A' and 'MODULE[START:STOP].B', for instance 'blocks.0.attn.qkv[0:128].A'."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the record, such as the last loss; JSON values."""


class Checkpoint:
    """A checkpoint that stores nothing; the harness passes one that stores the latest state in a file."""

    def load(self) -> Mapping[str, Tensor] | None:
        """Return the latest stored state, or None to start from the beginning."""
        return None

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Store the result of `make()` if the stored state is old enough; cheap to call at every step."""
