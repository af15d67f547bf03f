"""How closely a converted network agrees with the published graph that its weights are from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """Difference between two computations of the same features."""

    images: int
    largest: float
    """Largest absolute difference, relative to the largest feature."""


def agreement_with_graph(graph: Path, weights: Path, images: int = 2) -> Agreement:
    """Compare timm's CLIP ViT-B/16 with an ONNX graph that multiplies the same weights, on random images.

    The graph is executed by onnx's reference implementation, slow and independent of torch.
    """
    import torch
    from onnx.reference import ReferenceEvaluator

    from freeshot_vision.backbones.timm_network import fill, untrained
    from freeshot_vision.backbones.weight_files import read_weights
    from freeshot_vision.backbones.weight_layouts import as_timm
    from freeshot_vision.weights.quantized_onnx import open_model, with_float_weights

    pixels = np.random.default_rng(0).standard_normal((images, 3, 224, 224)).astype(np.float32)  # [b, 3, h, w]
    graph_of_floats: Any = ReferenceEvaluator(with_float_weights(open_model(graph)))
    (expected,) = graph_of_floats.run(["image_embeds"], {"pixel_values": pixels})  # [b, 512]
    vit = untrained("vit_base_patch16_clip_quickgelu_224", 224, 512).eval()
    fill(vit, as_timm(read_weights(weights), str(weights)), str(weights))
    with torch.no_grad():
        features = vit(torch.from_numpy(pixels)).numpy()  # [b, 512]
    return Agreement(images, float(np.abs(features - expected).max() / np.abs(expected).max()))
