"""The method: invert the pool, meta-train one LoRA on the surrogates, classify by nearest prototype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Final

from freeshot import Choice, InversionBasedMethod

SMOOTHNESS: Final = {28: 100.0, 224: 3.0}
"""Side of the images → weight of the total variation that suits it, with few steps of inversion."""


@dataclass(frozen=True)
class LoraRecycle(InversionBasedMethod):
    """Recycle a pool of LoRAs into one meta-LoRA through images inverted from them; no data, no tuning at test."""

    name = "lora-recycle"
    citation = "Hu et al., Unlocking Tuning-Free Few-Shot Adaptability ... by Recycling Pre-Tuned LoRAs, CVPR 2025"
    paper_url = "https://arxiv.org/abs/2412.02220"
    code_url = "https://github.com/Egg-Hu/LoRA-Recycle"
    learner: Choice = Choice("meta-learner", "prototype")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("strategy", "cls-attention")
    per_class: int = 40
    """Surrogate images per class of each LoRA. code: 40; the paper is silent."""
    lora_share: float = 0.5
    """Share of tasks from one LoRA, with its logits; the rest mixes classes. paper: alternates; no ratio stated."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that the LoRA modifies, of q, k, v, proj, fc1 and fc2. paper: q and v."""

    @classmethod
    def presets(cls, image_size: int) -> Mapping[str, Mapping[str, object]]:
        """Return 'quick' and 'good': few images and steps at a decaying rate; smoothness replaces most of the steps."""
        shared = {
            "per_class": 8,
            "lora_share": 0.2,
            "targets": ("q", "k", "v", "proj", "fc1", "fc2"),
            "inversion.schedule": "cosine",
            "inversion.total_variation": smoothness(image_size),
            "inversion.prior_every": 4,
            "learner.cycle": 0,
            "learner.lr": 1e-3,
        }
        quick = {"inversion.iterations": 10, "inversion.lr": 0.25, "learner.iterations": 60, "learner.warmup": 10}
        good = {"inversion.iterations": 60, "inversion.lr": 0.1, "learner.iterations": 400, "learner.warmup": 30}
        return {"quick": shared | quick, "good": shared | good}


def smoothness(side: int) -> float:
    """Interpolate the weight of the total variation for images of this side, on logarithmic axes; constant beyond."""
    (small, high), (large, low) = sorted(SMOOTHNESS.items())
    share = log(min(max(side, small), large) / small) / log(large / small)
    return float(f"{high * (low / high) ** share:.3g}")
