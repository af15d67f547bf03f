"""The frozen backbone: network, normalisation and identity."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from freeshot.basics.errors import ContractError
from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.component import build, name_and_options, spelled
from freeshot.engine.devices import choose_device
from freeshot.engine.vit.bf16 import bf16_copy
from freeshot.engine.vit.frozen_linear import with_frozen_linear
from freeshot.plugin.catalogue import Catalogue
from freeshot.records.models import Precision


class Normalize(nn.Module):
    """Normalise images from 0…1 to the range that the network was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)  # [1, 3, 1, 1]
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map [b, 3, h, w] in 0…1 to the same shape with zero mean and unit deviation per channel."""
        return (images - self.mean) / self.std


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen vision transformer with its normalisation and identity."""

    name: str
    vit: nn.Module
    normalize: Normalize
    image_size: int
    sha256: str
    """Hash of the weights, the same on every device."""
    precision: Precision = "fp32"
    """The precision in which it computes; `vit` holds the weights in full precision."""

    @property
    def identity(self) -> list[str]:
        """All that determines its features; the name counts because weights do not determine the number of heads."""
        return [self.name, self.sha256, self.precision]

    @property
    def computing(self) -> nn.Module:
        """The network that computes: `vit`, or its bfloat16 copy."""
        return bf16_copy(self.vit) if self.precision == "bf16" else self.vit

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.vit.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.vit.parameters()).dtype

    def trainable_copy(self) -> TrainableBackbone:
        """Return a trainable copy that maps images in 0…1 to features."""
        vit = copy.deepcopy(self.vit).requires_grad_(True)
        return TrainableBackbone(copy.deepcopy(self.normalize), vit, self)


class TrainableBackbone(nn.Sequential):
    """A trainable copy of a backbone; call `freeze` to use it with a LoRA bank."""

    def __init__(self, normalize: Normalize, vit: nn.Module, backbone: Backbone) -> None:
        super().__init__(normalize, vit)
        self._facts = (backbone.name, backbone.image_size)

    def freeze(self) -> Backbone:
        """Freeze this copy and return it as a backbone."""
        normalize, vit = self
        assert isinstance(normalize, Normalize)
        name, image_size = self._facts
        return Backbone(name, vit.eval().requires_grad_(False), normalize, image_size, weights_sha256(vit))


def open_backbone(
    provider: BackboneProvider, device: str | torch.device = "cpu", precision: Precision = "fp32"
) -> Backbone:
    """Build, freeze, move and validate a backbone; ContractError if it does not map images to features."""
    vit = with_frozen_linear(provider.build().eval().requires_grad_(False).to(device))
    backbone = Backbone(
        name=spelled(provider),
        vit=vit,
        normalize=Normalize(*provider.normalization()).to(device),
        image_size=provider.image_size(),
        sha256=weights_sha256(vit),
        precision=precision,
    )
    side = backbone.image_size
    with torch.inference_mode():
        out = vit(torch.zeros(2, 3, side, side, device=device, dtype=backbone.dtype))
    if not (isinstance(out, Tensor) and out.ndim == 2 and len(out) == 2):
        shape = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ContractError(f"Backbone '{provider.name}' must map images to features [b, d], but gave {shape}.")
    return backbone


def backbone_provider(catalogue: Catalogue, name: str) -> BackboneProvider:
    """Construct the provider `name`, which may include options: 'timm:side=64'."""
    plain, options = name_and_options(name)
    provider: Any = build(catalogue.component("backbone", plain), options)
    return provider  # type: ignore[no-any-return]


def named_backbone(catalogue: Catalogue, name: str, device: str = "cpu", precision: Precision = "fp32") -> Backbone:
    """Open the backbone `name`, which may include options: 'timm:side=64'."""
    provider = backbone_provider(catalogue, name)
    return open_backbone(provider, choose_device(device), precision)


def weights_sha256(module: nn.Module) -> str:
    """Hash a module's weights (names, shapes, float32 values) and all MLP activations other than GELU.

    CLIP's QuickGELU and GELU give two different networks with the same weights.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{list(tensor.shape)}".encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    for name, part in module.named_modules():
        if name.endswith(".mlp.act") and not isinstance(part, nn.GELU):
            digest.update(f"{name} {type(part).__name__}".encode())
    return digest.hexdigest()
