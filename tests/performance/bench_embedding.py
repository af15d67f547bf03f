"""Embedding at full size: our learner against timm in a plain loop."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from tests.performance.measure import Table, in_turn
from tests.performance.setting import full_size, plain_copy
from torch import Tensor

from freeshot.engine import AdaptedLearner
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.bf16 import faster_precision
from freeshot.evaluation.scoring import embed
from freeshot.records.models import Precision
from freeshot_vision.array_images import ArrayImages

MODEL = "vit_base_patch16_clip_quickgelu_224"
COUNT, TIMED = 2000, 16


def timm_eager(backbone: Backbone, pixels: Tensor, batch: int = 32) -> Tensor:
    """Embed uint8 pixels [n, 3, h, w] as timm's users do: [n, d]."""
    with torch.inference_mode():
        blocks = [backbone.vit(backbone.normalize(block.float() / 255)) for block in torch.split(pixels, batch)]
        return torch.cat(blocks)


def own(backbone: Backbone, images: ArrayImages, precision: Precision) -> Tensor:
    """Embed images as an evaluation does: [n, d]."""
    learner = AdaptedLearner(replace(backbone, precision=precision))
    return embed(learner, images, range(len(images)), backbone.device)


def bench(model: str = MODEL, timed: int = TIMED) -> Table:
    """Embed the same images with timm, and with ours in float32 and in the precision that `auto` selects."""
    device = torch.device("cpu")
    backbone = full_size(model, device, bf16=False).backbone
    side = backbone.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (timed, 3, side, side), dtype=np.uint8)
    images = ArrayImages(pixels, np.zeros(timed, np.int64), ("any",), side)
    auto, gain = faster_precision(device)
    ways = {
        "timm, float32": partial(timm_eager, replace(backbone, vit=plain_copy(backbone.vit)), torch.from_numpy(pixels)),
        "FreeShot, --precision fp32": partial(own, backbone, images, "fp32"),
        f"FreeShot, --precision auto: {auto}": partial(own, backbone, images, auto),
    }
    expected, *features = (embedded() for embedded in ways.values())
    deviations = [0.0, *(_deviation(some, expected) for some in features)]
    assert deviations[1] < 1e-4, "both compute the same features"
    seconds = in_turn(ways, rounds=2)
    slow = seconds["timm, float32"]
    rows = tuple(
        (name, f"{COUNT * s / timed:.0f}", f"{timed / s:.2f}", f"{slow / s:.2f}", f"{100 * deviation:.2g} %")
        for (name, s), deviation in zip(seconds.items(), deviations, strict=True)
    )
    note = (
        f"{COUNT:,} images of {side} px, {model}, random weights; {timed} images are timed and scaled. Deviation: the "
        f"largest of a feature vector, as a share of its length. A product in bf16 is {gain:.1f} times as fast as in "
        f"fp32 on this processor. To reach: {'3 times' if auto == 'bf16' else 'at least'} as fast as timm in float32; "
        "results/precision.md compares the accuracies, paired."
    )
    heads = ("how", f"s for {COUNT:,}", "images / s", "speed-up", "deviation")
    return Table("Embedding at full size", note, heads, rows)


def _deviation(features: Tensor, expected: Tensor) -> float:
    """Return the largest relative distance between two vectors of the same image [n, d]."""
    return float(((features - expected).norm(dim=1) / expected.norm(dim=1)).max())
