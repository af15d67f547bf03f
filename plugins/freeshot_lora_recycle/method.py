"""The method: invert the pool, meta-train one LoRA on the surrogates, classify by nearest prototype."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod


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
