"""A floor: surrogates with the labels of other images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeshot import Choice, InversionBasedMethod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator

    from freeshot import Learner, SurrogateSet, Workbench


@dataclass(frozen=True)
class ShuffledLabels(InversionBasedMethod):
    """Meta-train on surrogates with permuted images: the effect of images without their labels' meaning.

    Images are permuted across the whole pool, masks with them; labels and the LoRAs' logits stay. Tasks then have the
    sizes, images and labels of LoRA Recycle's, and no image has information about its label.
    """

    name = "shuffled-labels"
    role = "floor"
    learner: Choice = Choice("meta-learner", "prototype")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("efficiency", "cls-attention")

    def prepare(self, bench: Workbench) -> Learner:
        """Invert the pool, permute the images, train the meta-LoRA, and embed with it."""
        recovered = bench.surrogates(*self.inversion_and_strategy(), self.per_class, self.batch)
        tasks = bench.surrogate_tasks(
            shuffled(recovered, bench.rng("shuffle")), self.lora_share, flip=self.flip, held_out=self.held_out
        )
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets))


def shuffled(sets: Sequence[SurrogateSet], rng: Generator) -> list[SurrogateSet]:
    """Permute the images of all sets, masks with them; labels and logits stay."""
    import torch

    images = torch.cat([s.shots.images for s in sets])
    masks = [s.shots.kept for s in sets if s.shots.kept is not None]
    masked = len(masks) == len(sets) and len({mask.shape[1] for mask in masks}) == 1
    kept = torch.cat(masks) if masked else None
    ends = torch.tensor([len(s.shots) for s in sets]).cumsum(0)[:-1]
    dealt = torch.randperm(len(images), generator=rng).tensor_split(ends)
    return [
        replace(s, shots=replace(s.shots, images=images[places], kept=None if kept is None else kept[places]))
        for s, places in zip(sets, dealt, strict=True)
    ]
