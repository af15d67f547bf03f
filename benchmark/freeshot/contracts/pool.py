"""A pool of LoRAs in memory, verified when it was opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import PoolError
from freeshot.basics.suggestions import unknown_name
from freeshot.basics.tables import html_table
from freeshot.basics.text import counted
from freeshot.ops.schedules import cosine

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, order=True)
class Slot:
    """A block of rows of a linear layer that a LoRA adds to: rows start…stop of its output, stop excluded.

    timm fuses q, k and v into one layer, so LoRA on q and on v uses two slots of `blocks.N.attn.qkv`. Slots can be
    compared, sorted and used as keys.
    """

    module: str
    """Name of the layer within the network, 'blocks.0.attn.qkv'."""
    start: int
    """First row."""
    stop: int
    """Row after the last; stop − start is o, the width of the LoRA's output."""


@dataclass(frozen=True, kw_only=True)
class TuningRecipe:
    """Hyperparameters of a LoRA and its head. The paper states Adam at 1e-3, rank 4, on q and v; the rest is ours."""

    rank: int = 4
    targets: tuple[str, ...] = ("q", "v")
    steps: int = 150
    batch: int = 32
    lr: float = 1e-3
    """Initial learning rate; it decays to zero along a cosine."""
    head_lr: float = 0.0
    """Initial learning rate of the head; 0: that of the LoRA."""
    flip: bool = True
    """Mirror half of the training images."""
    shift: float = 0.0
    """Shift training images by up to this share of their side in each direction, replicating borders."""
    clip: float = 0.0
    """Norm to which each LoRA's own gradient is clipped; 0: no clipping."""
    penalty: tuple[str, float] | None = None
    """Name and weight of a penalty that a plugin provides, see the hook `freeshot_lora_penalties`."""
    seed: int = 0

    def rate(self, step: int) -> float:
        """Return the LoRA's learning rate at a step."""
        return self.lr * cosine(step, self.steps)

    def head_rate(self, step: int) -> float:
        """Return the head's learning rate at a step."""
        return (self.head_lr or self.lr) * cosine(step, self.steps)


@dataclass(frozen=True)
class PoolPlan(TuningRecipe):
    """The recipe of a pool that users build themselves with `freeshot pool build NAME`."""

    name: str
    sources: tuple[str, ...]
    """Data sets whose base classes are used, in turn."""
    count: int
    """Number of LoRAs."""
    backbone: str
    way: int = 5
    held_out_images: int = 0
    """Images of each class that the held-out accuracy is measured on, at most; 0: a fifth of the class."""
    at_once: int = 8
    """LoRAs that are tuned in parallel and written together."""


@dataclass(frozen=True, eq=False)
class LoraEntry:
    """One LoRA with the head it was tuned with, on one classification task.

    Axes: r rank, i and o inputs and outputs of a slot, c classes of the task, d features. Tensors are on the CPU.
    """

    name: str
    """Unique within the pool."""
    rank: int
    """r, the same in all slots."""
    factors: Mapping[Slot, tuple[Tensor, Tensor]]
    """slot → (A [r, i], B [o, r]); B·A is added to the slot's weight; the scaling (α / r) is already folded into B."""
    head_weight: Tensor
    """[c, d]; logits are features · head_weightᵀ + head_bias."""
    head_bias: Tensor
    """[c]."""
    classes: tuple[str, ...]
    """c class names, 'dataset/name', in the order of the logits."""
    class_ids: tuple[int, ...]
    """c ids; two LoRAs of the pool that were tuned on the same class have the same id."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Held-out accuracy, seed, images and other facts recorded during tuning."""

    @property
    def accuracy_text(self) -> str:
        """The accuracy on held-out images of the training, or on the pictures of the import, as text."""
        held_out, own = self.facts.get("held_out_accuracy"), self.facts.get("own_pictures")
        if isinstance(held_out, float):
            return f"{100 * held_out:.1f} %"
        if isinstance(own, dict) and isinstance(own.get("accuracy"), float):
            return f"{100 * own['accuracy']:.1f} % of {own.get('pictures')} own pictures"
        return "not measured" if self.facts.get("backbone_by_card") else "not verified"

    @property
    def verified(self) -> bool:
        """Whether an accuracy, or the card of the pool, shows that the LoRA belongs to its backbone."""
        return self.accuracy_text != "not verified"

    def __repr__(self) -> str:
        return f"LoraEntry '{self.name}': rank {self.rank}, {', '.join(self.classes)}"


@dataclass(frozen=True, eq=False)
class LoraPool:
    """The LoRAs of one backbone, verified on opening, read-only.

    A pool is a collection of its entries: `for lora in pool`, `len(pool)`, `pool[0]`, `pool["lora-003"]`. An index past
    the end raises IndexError, an unknown name UnknownNameError.
    """

    name: str
    """As in a track, 'pocket'; a part of a pool has a slash, 'pocket/sketch'."""
    path: Path
    """Folder of the pool's files."""
    backbone: str
    """Name of the backbone that the LoRAs were tuned on."""
    backbone_hash: str
    """SHA-256 of that backbone's weights."""
    entries: tuple[LoraEntry, ...]
    """The LoRAs, in the order of the pool's card."""
    sha256: str
    """Hash that identifies the pool."""
    license: str = ""
    """SPDX identifier, '' if none is given."""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[LoraEntry]:
        return iter(self.entries)

    def __contains__(self, key: object) -> bool:
        return any(key is entry or key == entry.name for entry in self.entries)

    def __getitem__(self, key: int | str) -> LoraEntry:
        """Return a LoRA by index or by name; IndexError or UnknownNameError if there is none."""
        if isinstance(key, int):
            return self.entries[key]
        for entry in self.entries:
            if entry.name == key:
                return entry
        raise unknown_name(f"LoRA of the pool '{self.name}'", key, [entry.name for entry in self.entries])

    def part(self, dataset: str) -> LoraPool:
        """Return the LoRAs that were tuned on a data set; PoolError if there are none."""
        chosen = tuple(entry for entry in self.entries if entry.facts.get("dataset") == dataset)
        if not chosen:
            raise PoolError(
                f"The pool '{self.name}' has no LoRA that was tuned on '{dataset}'. Choose '{self.name}' itself."
            )
        return replace(self, name=f"{self.name}/{dataset}", entries=chosen)

    def __repr__(self) -> str:
        return f"LoraPool '{self.name}': {counted(len(self), 'LoRA')} on {self.backbone}"

    def _repr_html_(self) -> str:
        rows = [(entry.name, entry.rank, entry.accuracy_text, ", ".join(entry.classes)) for entry in self]
        return html_table(rows, ("name", "rank", "held-out accuracy", "classes"), repr(self))
