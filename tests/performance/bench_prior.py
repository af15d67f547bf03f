"""Inversion with the paper's ResNet-50 prior: what it costs, and what asking it rarely and pruning save."""

from __future__ import annotations

import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from tests.performance.measure import Table, in_turn

from freeshot.engine import BankTeacher, open_backbone
from freeshot.pool.store import open_pool
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention
from freeshot_vision.pocket.backbone import PocketVit
from freeshot_vision.pocket.files import POOL

IMAGES, STEPS = 25, 20


def bench() -> Table:
    """Invert the same LoRA, the paper's way first; the prior's weights are random, which costs the same."""
    backbone = open_backbone(PocketVit())
    entry = open_pool(POOL, backbone.sha256).entries[0]
    labels = torch.arange(5).repeat_interleave(IMAGES // 5)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "resnet50.safetensors"
        save_file(timm.create_model("resnet50", pretrained=False).state_dict(), weights)
        pruned = ClsAttention(at=(2,))
        recipes = {
            "dense, prior at each step (the paper)": (AllTokens(), 1),
            "dense, prior at every 4th step": (AllTokens(), 4),
            "75 % pruned at layer 2, prior at every 4th step": (pruned, 4),
            "75 % pruned at layer 0, prior at every 4th step": (ClsAttention(at=(0,)), 4),
        }

        def inverting(name: str) -> None:
            strategy, every = recipes[name]
            method = LoraInversion(iterations=STEPS, prior="resnet50", prior_weights=str(weights), prior_every=every)
            method.synthesize(BankTeacher(backbone, [entry], strategy), labels, torch.Generator().manual_seed(0))

        seconds = in_turn({name: lambda name=name: inverting(name) for name in recipes}, rounds=3)  # type: ignore[misc]
    slow = next(iter(seconds.values()))
    rows = tuple((n, f"{1000 * s / IMAGES / STEPS:.1f}", f"{slow / s:.2f}") for n, s in seconds.items())
    note = f"pocket-vit, one LoRA, {IMAGES} images at once; opening the prior is included."
    return Table("Inversion with a prior", note, ("recipe", "ms / image / step", "speed-up"), rows)
