"""Convert the weight names of common vision transformer files to timm's; values stay the same.

Supported are timm's own layout (also used by DINOv2's authors), OpenAI's of CLIP, and Hugging Face's of CLIP, SigLIP,
ViT, DeiT and DINOv2, before and since version 5 of `transformers`. A layout is detected by a name that no other has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Renames = tuple[tuple[str, str], ...]
"""Patterns and their replacements, applied in this order to every name."""

OPENAI: Renames = (
    (r"^visual\.", ""),
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^conv1\.", "patch_embed.proj."),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"^proj$", "head.transposed"),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
HUGGING_FACE: Renames = (
    (r"^(vision_model|vit|deit|dinov2|dinov2_with_registers)\.", ""),
    (r"^embeddings\.(class_embedding|cls_token)$", "cls_token"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.patch_embedding(s\.projection)?\.", "patch_embed.proj."),
    (r"^embeddings\.position_embedding(s|\.weight)$", "pos_embed"),
    (r"^pre_layrnorm\.", "norm_pre."),
    (r"^(post_)?layernorm\.", "norm."),
    (r"^visual_projection\.", "head."),
    (r"^head\.probe$", "attn_pool.latent"),
    (r"^head\.attention\.in_proj_", "attn_pool.qkv."),
    (r"^head\.attention\.out_proj\.", "attn_pool.proj."),
    (r"^head\.layernorm\.", "attn_pool.norm."),
    (r"^head\.mlp\.", "attn_pool.mlp."),
    (r"^(encoder\.)?layers?\.", "blocks."),
    (r"\.(layer_norm1|layernorm_before)\.", ".norm1."),
    (r"\.(layer_norm2|layernorm_after)\.", ".norm2."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.attention\.(q)uery\.", r".attn.\1."),
    (r"\.attention\.attention\.(k)ey\.", r".attn.\1."),
    (r"\.attention\.attention\.(v)alue\.", r".attn.\1."),
    (r"\.(self_attn\.out_proj|attention\.o_proj|attention\.output\.dense)\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
)


@dataclass(frozen=True)
class Layout:
    """The naming scheme of one family of files."""

    name: str
    signature: str
    """Pattern of a name that no other layout has."""
    renames: Renames
    ignored: str
    """Pattern of names outside the image tower: text towers, classifiers, pre-training heads."""


LAYOUTS = (
    Layout("timm", r"^blocks\.0\.attn\.qkv\.weight$", (), r"^(mask_token|head_dist\..*)$"),
    Layout("OpenAI CLIP", r"^visual\.conv1\.weight$", OPENAI, r"^(?!visual\.)"),
    Layout(
        "Hugging Face",
        r"^((vision_model|vit|deit|dinov2|dinov2_with_registers)\.)?embeddings\.patch_embedding",
        HUGGING_FACE,
        r"^text_|^logit_(scale|bias)$|(^|\.)pooler\.dense\.|^classifier\.|embeddings\.(mask_token|position_ids)$",
    ),
)


def as_timm(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return weights with timm's names and shapes; DataError if no layout is recognised."""
    layout = _layout_of(tensors, source)
    renamed = {
        _renamed(name, layout.renames): tensor
        for name, tensor in tensors.items()
        if not re.search(layout.ignored, name)
    }
    _fuse_attention(renamed)
    _split_pooling(renamed)
    _reshape(renamed)
    return renamed


def _layout_of(tensors: Mapping[str, Tensor], source: str) -> Layout:
    for layout in LAYOUTS:
        if any(re.search(layout.signature, name) for name in tensors):
            return layout
    first = min(tensors, default="none")
    raise DataError(
        f"{source} has weights in an unknown layout (the first is '{first}'); expected are those of timm, Hugging "
        "Face or OpenAI's CLIP. Save the network with one of them."
    )


def _renamed(name: str, renames: Renames) -> str:
    for pattern, replacement in renames:
        name = re.sub(pattern, replacement, name)
    return name


def _fuse_attention(weights: dict[str, Tensor]) -> None:
    """Stack separate q, k and v into timm's single layer."""
    import torch

    for name in [name for name in weights if re.search(r"\.attn\.q\.(weight|bias)$", name)]:
        parts = [name.replace(".attn.q.", f".attn.{letter}.") for letter in "qkv"]
        if all(part in weights for part in parts):  # otherwise unused names are reported later
            fused = torch.cat([weights.pop(part) for part in parts])  # [3 d, d] or [3 d]
            weights[name.replace(".attn.q.", ".attn.qkv.")] = fused


def _split_pooling(weights: dict[str, Tensor]) -> None:
    """Split torch's fused attention layer into the two layers of timm's pooling: q, and k with v."""
    for end in ("weight", "bias"):
        fused = weights.pop(f"attn_pool.qkv.{end}", None)
        if fused is not None:
            third = len(fused) // 3
            weights[f"attn_pool.q.{end}"], weights[f"attn_pool.kv.{end}"] = fused[:third], fused[third:]


def _reshape(weights: dict[str, Tensor]) -> None:
    """Add the axes that timm expects to tokens and positions, and a zero bias to projections."""
    if "head.transposed" in weights:
        weights["head.weight"] = weights.pop("head.transposed").T  # [projection, d]
    if "head.weight" in weights and "head.bias" not in weights:
        weights["head.bias"] = weights["head.weight"].new_zeros(len(weights["head.weight"]))
    for name in ("cls_token", "pos_embed", "reg_token"):
        if name in weights and weights[name].ndim < 3:
            weights[name] = weights[name].reshape(1, -1, weights[name].shape[-1])
    positions = weights.get("pos_embed")
    if (
        "reg_token" in weights
        and "cls_token" in weights
        and positions is not None
        and _is_square(positions.shape[1] - 1)
    ):
        # with registers, timm adds the class token's position to the token itself
        weights["cls_token"] = weights["cls_token"] + positions[:, :1]
        weights["pos_embed"] = positions[:, 1:]


def _is_square(count: int) -> bool:
    return count > 0 and round(count**0.5) ** 2 == count
