"""The method: invert the pool into images, meta-train one LoRA on them, classify by nearest prototype."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, SurrogateMethod


@dataclass(frozen=True)
class LoraRecycle(SurrogateMethod):
    """Recycle a pool of LoRAs into one meta-LoRA, through images recovered from them; no data, no tuning at test."""

    name = "lora-recycle"
    citation = "Hu et al., Unlocking Tuning-Free Few-Shot Adaptability ... by Recycling Pre-Tuned LoRAs, CVPR 2025"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains the shared LoRA."""
    inversion: Choice = Choice("inversion", "lora-inversion")
    """How images are recovered from a LoRA."""
    strategy: Choice = Choice("efficiency", "cls-attention")
    """Which tokens are left out; what it keeps in the end is the mask that meta-training looks through."""
    per_class: int = 40
    """Images recovered per class of each LoRA. code: 40; the paper is silent."""
    lora_share: float = 0.5
    """Share of tasks from one LoRA, with its logits; the rest mixes classes. paper: alternates; no ratio stated."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers it acts on, of q, k, v, proj, fc1 and fc2. paper: q and v."""

    def recovery(self) -> tuple[Choice, Choice]:
        """Name the inversion and the strategy that were chosen."""
        return self.inversion, self.strategy
