"""The toy world: a random ViT, twelve kinds of synthetic images, four LoRAs, one track of each kind.

Its accuracies are meaningless; it tests that everything runs. All numbers come from numpy's Philox, so that network and
images are the same on every machine and match the shipped pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freeshot.basics.seeds import derive
from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.dataset import FewShotDataset
from freeshot.contracts.tracks import Profile, Row, Suite, Track
from freeshot.plugin import hookimpl

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

SIZE, PATCH, WIDTH, DEPTH, HEADS = 16, 4, 48, 4, 3
SPLITS = {"base": range(6), "validation": range(6, 9), "novel": range(9, 12)}
PER_CLASS = 20
POOL = Path(__file__).parent / "toy_pool"


@dataclass(frozen=True)
class ToyVit(BackboneProvider):
    """A ViT of 4 blocks and width 48 for 16 px, with random weights."""

    name = "toy-vit"

    def build(self) -> nn.Module:
        """Fill timm's VisionTransformer with fixed random numbers."""
        import torch
        from timm.models.vision_transformer import VisionTransformer

        vit = VisionTransformer(
            img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=0
        )
        with torch.no_grad():
            for name, weight in vit.named_parameters():
                if "norm" not in name:
                    uniform = _uniform(weight.numel(), "toy weights", name).reshape(tuple(weight.shape))
                    spread = (3 / weight.shape[-1]) ** 0.5 if weight.ndim > 1 else 0.02
                    weight.copy_(torch.from_numpy((2 * uniform - 1) * spread))
        return vit

    def image_size(self) -> int:
        """Return 16."""
        return SIZE


@dataclass(frozen=True, eq=False)
class ToyImages:
    """Synthetic images of some classes: coloured waves with a direction, pitch and colour per class."""

    kinds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.kinds) * PER_CLASS

    @property
    def labels(self) -> NDArray[np.int64]:
        """[n], class by class."""
        return np.repeat(np.arange(len(self.kinds)), PER_CLASS)

    @property
    def classes(self) -> tuple[str, ...]:
        """'wave-0', 'wave-1' and so on."""
        return tuple(f"wave-{kind}" for kind in self.kinds)

    @property
    def sha256(self) -> str:
        """Name of the recipe, which determines the images."""
        return f"toy-{self.kinds[0]}-{len(self.kinds)}"

    @cached_property
    def cells(self) -> NDArray[np.uint8]:
        """[n, 3, h, w]."""
        return np.stack([_picture(kind, number) for kind in self.kinds for number in range(PER_CLASS)])

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, h, w]."""
        import torch

        return torch.from_numpy(self.cells[np.asarray(indices, dtype=np.int64)])


@dataclass(frozen=True)
class ToyWaves(FewShotDataset):
    """Twelve kinds of coloured waves, drawn by arithmetic."""

    name, domain, license, shareable = "toy-waves", "arithmetic", "Apache-2.0", True

    def load(self, split: str, root: Path) -> ToyImages:
        """Return one split: 'base', 'validation' or 'novel'."""
        return ToyImages(tuple(SPLITS[split]))


def _track(group: str, shot: int, episodes: int = 20) -> Track:
    return Track(
        name=f"toy/{group}/2w{shot}s",
        dataset="toy-waves",
        pool="toy",
        sources=("toy-waves",),
        backbone="toy-vit",
        way=2,
        shot=shot,
        query=3,
        episodes=episodes,
    )


SMALL = {"learner.iterations": 3, "learner.warmup": 1, "per_class": 5}
TRACKS = (_track("in-domain", 1), _track("in-domain", 2))
POISONED = replace(TRACKS[0], name="poisoned/toy/2w1s", pool="toy+mislabelled50")
"""The first track, with a pool in which half of the LoRAs have their classes permuted."""
SUITE = Suite(
    "toy",
    "The toy world: every stage of every tuning-free method in seconds.",
    ("toy/*",),
    {
        "full": Profile(
            (
                Row("frozen-prototype"),
                Row("lora-recycle", {**SMALL, "inversion.prior": "none", "inversion.iterations": 3}),
                Row("noise", SMALL),
                Row("real-data", {k: v for k, v in SMALL.items() if k != "per_class"}),
                Row("full-finetuning", {"lrs": (1e-3,), "steps": (1, 2), "trials": 2}),
            )
        )
    },
    reference="frozen-prototype",
    pair=("lora-recycle", "frozen-prototype"),
)


@hookimpl
def freeshot_backbones() -> list[type[BackboneProvider]]:
    """Register the toy network."""
    return [ToyVit]


@hookimpl
def freeshot_datasets() -> list[type[FewShotDataset]]:
    """Register the toy data set."""
    return [ToyWaves]


@hookimpl
def freeshot_tracks() -> tuple[Track, ...]:
    """Register the toy tracks."""
    return (*TRACKS, POISONED)


@hookimpl
def freeshot_suites() -> list[Suite]:
    """Register the toy suite."""
    return [SUITE]


@hookimpl
def freeshot_pools() -> list[tuple[str, str]]:
    """Register the toy pool."""
    return [("toy", str(POOL))]


def _uniform(count: int, *names: object) -> NDArray[np.float64]:
    """Draw numbers in 0…1 that do not depend on library versions."""
    raw = np.random.Philox(key=derive(0, *names)).random_raw(count)
    return np.asarray(raw >> np.uint64(11), dtype=np.float64) / 2.0**53


def _picture(kind: int, number: int) -> NDArray[np.uint8]:
    """Draw a wave: the class determines direction, pitch and colour, the number phase and noise."""
    angle, pitch = np.pi * (kind % 4) / 4, 0.5 + 0.4 * (kind // 4)
    draw = _uniform(3 * SIZE * SIZE + 1, "toy picture", kind, number)
    y, x = np.mgrid[:SIZE, :SIZE]
    wave = np.sin(pitch * (x * np.cos(angle) + y * np.sin(angle)) + 2 * np.pi * draw[0])
    colour = 0.5 + 0.5 * np.cos(np.array([0.0, 2.1, 4.2]) + kind)
    noise = 0.3 * (draw[1:].reshape(3, SIZE, SIZE) - 0.5)
    picture = 0.5 + 0.35 * wave * colour[:, None, None] + noise
    return np.asarray(np.clip(picture, 0, 1) * 255, dtype=np.uint8)
