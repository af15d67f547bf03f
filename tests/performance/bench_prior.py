"""Inversion with the paper's ResNet-50 prior: its time, and the gain of evaluating it rarely and of pruning."""

from __future__ import annotations

import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from tests.performance.measure import Table, in_turn
from tests.performance.setting import Setting, pocket

from freeshot.engine import BankTeacher
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention


def bench(setting: Setting | None = None, images: int = 25, steps: int = 20) -> Table:
    """Invert the same LoRA, the paper's way first; the prior's weights are random, which costs the same."""
    setting = setting or pocket()
    labels = torch.arange(5).repeat_interleave(images // 5).to(setting.backbone.device)
    third = setting.depth // 3
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "resnet50.safetensors"
        save_file(timm.create_model("resnet50", pretrained=False).state_dict(), weights)
        recipes = {
            "dense, prior at each step (the paper)": (AllTokens(), 1),
            "dense, prior at every 4th step": (AllTokens(), 4),
            f"75 % pruned at layer {third}, prior at every 4th step": (ClsAttention(at=(third,)), 4),
            "75 % pruned at layer 0, prior at every 4th step": (ClsAttention(at=(0,)), 4),
        }

        def inverting(name: str) -> None:
            strategy, every = recipes[name]
            method = LoraInversion(iterations=steps, prior="resnet50", prior_weights=str(weights), prior_every=every)
            teacher = BankTeacher(setting.backbone, [setting.entry], strategy)
            method.synthesize(teacher, labels, torch.Generator().manual_seed(0))

        seconds = in_turn({name: lambda name=name: inverting(name) for name in recipes}, rounds=3)  # type: ignore[misc]
    slow = next(iter(seconds.values()))
    rows = tuple((n, f"{1000 * s / images / steps:.1f}", f"{slow / s:.2f}") for n, s in seconds.items())
    note = f"{setting.name}, one LoRA, {images} images at once; opening the prior is included."
    return Table("Inversion with a prior", note, ("recipe", "ms / image / step", "speed-up"), rows)
