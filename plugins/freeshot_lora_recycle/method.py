"""The method: invert the pool into images, meta-train one LoRA on them, classify by nearest prototype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Method, Needs

if TYPE_CHECKING:
    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class LoraRecycle(Method):
    """Recycle a pool of LoRAs into one meta-LoRA, through images recovered from them; no data, no tuning at test."""

    name = "lora-recycle"
    citation = "Hu et al., Unlocking Tuning-Free Few-Shot Adaptability ... by Recycling Pre-Tuned LoRAs, CVPR 2025"
    needs = frozenset({Needs.POOL})
    inversion: Choice = Choice("inversion", "lora-inversion")
    """How images are recovered from a LoRA."""
    strategy: Choice = Choice("efficiency", "cls-attention")
    """Which tokens are left out; what it keeps in the end is the mask that meta-training looks through."""
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains the shared LoRA."""
    per_class: int = 40
    """Images recovered per class of each LoRA. code: 40; the paper is silent."""
    lora_share: float = 0.5
    """Share of tasks from one LoRA, with its logits; the rest mixes classes. paper: alternates; no ratio stated."""
    rank: int = 4
    """Rank of the meta-LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers it acts on, of q, k, v, proj, fc1 and fc2. paper: q and v."""
    flip: bool = True
    """Flip images left to right at random in meta-training, masks with them."""

    def prepare(self, bench: Workbench) -> Learner:
        """Recover images from every LoRA, train the meta-LoRA on them, and embed with it."""
        surrogates = bench.surrogates(self.inversion, self.strategy, self.per_class)
        tasks = bench.surrogate_tasks(surrogates, self.lora_share, flip=self.flip)
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets))
