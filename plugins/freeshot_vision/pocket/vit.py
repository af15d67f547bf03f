"""The shape of pocket-vit: timm's own VisionTransformer, small enough for two CPU cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

SIZE, PATCH, WIDTH, DEPTH, HEADS = 28, 4, 128, 6, 4
MEAN = STD = (0.5, 0.5, 0.5)


def pocket_vit(patch_drop: float = 0.0) -> VisionTransformer:
    """Build the untrained network: 28 px, 7 × 7 patches and a class token, whose output is the feature [b, 128].

    `patch_drop` of the patches are left out at random while it trains; see `pretrain`.
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
    )
