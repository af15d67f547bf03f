"""The architecture of pocket-vit: timm's VisionTransformer, small enough for two CPU cores.

Patches are embedded by a few convolutions (Xiao et al., Early Convolutions Help Transformers See Better, 2021): with a
linear embedding the same training time gave far worse features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from torch import Tensor

SIZE, PATCH, WIDTH, DEPTH, HEADS = 28, 4, 128, 6, 4
MEAN = STD = (0.5, 0.5, 0.5)


class ConvStem(nn.Module):
    """Embed 4 × 4 patches by convolutions, as timm's `embed_layer`: [b, 3, 28, 28] → [b, 49, d]."""

    def __init__(self, img_size: int, patch_size: int, in_chans: int, embed_dim: int, **_: object) -> None:
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.patch_size = (patch_size, patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        self.net = nn.Sequential(
            *_convolution(in_chans, 32, stride=2),
            *_convolution(32, 64, stride=2),
            *_convolution(64, 128, stride=1),
            nn.Conv2d(128, embed_dim, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return patch tokens in raster order."""
        tokens: Tensor = self.net(images).flatten(2).transpose(1, 2)
        return tokens


def _convolution(inputs: int, outputs: int, *, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.GELU()


def pocket_vit(patch_drop: float = 0.0) -> VisionTransformer:
    """Build the untrained network: 28 px, 7 × 7 patches and a class token, whose output is the feature [b, 128].

    A share `patch_drop` of the patches is dropped at random in training; see `makers.pretraining`.
    """
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=SIZE,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
        num_classes=0,
        global_pool="token",
        patch_drop_rate=patch_drop,
        embed_layer=ConvStem,
    )
