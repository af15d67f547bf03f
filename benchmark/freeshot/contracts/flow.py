"""The data that flows: frozen, shape-checked, free of behaviour.

Axes: n images, q query images, c classes (the way), k kept patch tokens, t tokens, d features, b batch.
Images are float in 0…1 unless a name says uint8; labels are integers 0…c−1 inside a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import ContractError

if TYPE_CHECKING:
    from torch import Tensor


def _agree(**lengths: int) -> None:
    """Refuse parts whose first axes differ."""
    if len(set(lengths.values())) > 1:
        raise ContractError(f"These must agree in their first axis: {lengths}.")


@dataclass(frozen=True, eq=False)
class Shots:
    """Labelled images, and for each the patches that may be looked at; `len(shots)` is n.

    ContractError where the images are not [n, 3, h, w], or where labels or `kept` are not n.
    """

    images: Tensor
    """[n, 3, h, w], float in 0…1; h = w = the side that the backbone takes."""
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
    """One few-shot task for meta-learning; its query labels are known because its images are synthetic or base."""

    support: Shots
    """Labelled images to learn from."""
    query: Shots
    """Images to be classified, with their labels."""
    way: int
    """c, how many classes there are."""
    teacher_logits: Tensor | None = None
    """[q, c], what the LoRA that the images came from says of the query; None on interpolated tasks."""
    sources: tuple[str, ...] = ()
    """The LoRA that each class was recovered from; empty where images come from elsewhere."""

    def __post_init__(self) -> None:
        if self.teacher_logits is not None:
            _agree(query=len(self.query), teacher_logits=len(self.teacher_logits))


@dataclass(frozen=True)
class Episode:
    """One test task as indices into a track's images: small, hashable, the same for every method."""

    id: int
    """Number of the episode within its track."""
    classes: tuple[int, ...]
    """The way's classes, as indices into the split's classes."""
    support: tuple[int, ...]
    """way × shot indices, class by class."""
    query: tuple[int, ...]
    """way × query indices, class by class."""


@dataclass(frozen=True, eq=False)
class SurrogateSet:
    """What was recovered from one LoRA: images, labels, masks, and the LoRA's logits of them.

    ContractError where shots and logits are not equally many.
    """

    shots: Shots
    """n images with labels 0…c−1, and masks where a strategy left patches out."""
    class_ids: tuple[int, ...]
    """The LoRA's own class ids, so that classes of two LoRAs can be told apart or merged."""
    teacher_logits: Tensor
    """[n, c]."""
    mirrored_logits: Tensor
    """[n, c], of the images flipped left to right."""
    source: str
    """Name of the LoRA."""
    statistics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _agree(
            shots=len(self.shots), teacher_logits=len(self.teacher_logits), mirrored_logits=len(self.mirrored_logits)
        )


@dataclass(frozen=True, eq=False)
class LayerView:
    """All that an efficiency strategy may see of a layer, between attention and MLP."""

    layer: int
    """0-based."""
    layers: int
    """How many there are."""
    progress: float
    """0…1, how far the inversion has come; 1 when the final mask is asked for."""
    attention: Tensor
    """[b, heads, t, t], softmaxed; token 0 is the class token."""
    keys: Tensor
    """[b, heads, t, d / heads], by which tokens can be told to be alike."""
    kept: Tensor
    """[b, t − 1], indices of the patches that are still there."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """A trained LoRA as named tensors; immutable, so that a run can be repeated.

    Each slot has two: A [r, i] and B [o, r], and B·A is added to its rows of the layer's weight. `Model.snapshot()` and
    `freeshot.engine.adapter_of(factors)` make one; `freeshot.engine.factors_of(adapter)` gives its factors by slot.
    """

    tensors: Mapping[str, Tensor]
    """'MODULE[START:STOP].A' and 'MODULE[START:STOP].B', for instance 'blocks.0.attn.qkv[0:128].A'."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the record, such as the last loss; values that JSON can hold."""
