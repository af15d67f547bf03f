"""Build Hugging Face's image towers as timm's vision transformer, so that LoRAs act on them as on any other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from freeshot.basics.errors import DataError, OptionError
from freeshot_vision.backbones.timm_network import fill
from freeshot_vision.backbones.weight_layouts import as_timm

if TYPE_CHECKING:
    from freeshot_vision.backbones.hugging_face_config import VitConfig

ACTIVATIONS = {
    "gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh",
}  # fmt: skip
"""Names of `transformers` → those of timm."""
OWN = {"vit": "class", "deit": "class", "dinov2": "class", "clip": "class", "siglip": "attention"}
FURTHER = {"dinov2": ("class+mean",), "clip": ("projected", "mean"), "siglip": ("mean",)}
"""Features of a family besides its own."""


class ClassAndMeanVit(VisionTransformer):
    """A vision transformer whose feature is the class token and the mean of the patches: [b, 2 d]."""

    def pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        """Map tokens [b, t, d] to [b, 2 d]."""
        return torch.cat([x[:, 0], x[:, self.num_prefix_tokens :].mean(1)], dim=1)


def network_of(
    config: VitConfig, features: str, side: int, weights: Mapping[str, Tensor], source: str
) -> VisionTransformer:
    """Build a tower with its weights; OptionError or DataError if features, side or weights do not fit it."""
    chosen = OWN[config.family] if features in ("own", OWN[config.family]) else features
    if chosen != OWN[config.family] and chosen not in FURTHER.get(config.family, ()):
        valid = ", ".join(("own", *FURTHER.get(config.family, ())))
        raise OptionError(f"This model has no features '{features}'. Choose one of these for features: {valid}.")
    if side % config.patch_size:
        raise OptionError(
            f"Images of {side} px cannot be cut into patches of {config.patch_size}. Give side a multiple of "
            f"{config.patch_size}."
        )
    if config.hidden_act not in ACTIVATIONS:
        raise DataError(f"{source}: the activation '{config.hidden_act}' is not supported. Choose another model.")
    fitting = as_timm(weights, source)
    if "embeddings.distillation_token" in fitting:  # DeiT's second token is a register that has a position
        fitting["reg_token"] = fitting.pop("embeddings.distillation_token")
    _require_sizes(config, fitting, source)
    vit = _untrained(config, chosen, side)
    if chosen == "class+mean":
        cast("Any", vit).global_pool = "class+mean"  # tokens that are added or left out would change the mean
    if config.family == "clip" and chosen == "mean":
        vit.norm = nn.Identity()  # its classifier reads the tokens before the last norm
    unused = _unused(config.family, chosen)
    fitting = {name: tensor for name, tensor in fitting.items() if not name.startswith(unused)}
    _resample_positions(fitting, vit)
    fill(vit, fitting, source)
    return vit


def _require_sizes(config: VitConfig, weights: Mapping[str, Tensor], source: str) -> None:
    """Require weights of the config's sizes before a network of these sizes is built."""
    expected = {
        "patch_embed.proj.weight": (config.hidden_size, 3, config.patch_size, config.patch_size),
        "blocks.0.mlp.fc1.weight": (config.hidden_width, config.hidden_size),
    }
    for name, shape in expected.items():
        if name in weights and weights[name].shape != shape:
            raise DataError(
                f"'{name}' in {source} has shape {list(weights[name].shape)}, but by the config.json beside it "
                f"{list(shape)}. Save config and weights of one model together."
            )


def _untrained(config: VitConfig, features: str, side: int) -> VisionTransformer:
    kind = ClassAndMeanVit if features == "class+mean" else VisionTransformer
    family = config.family
    extra: dict[str, Any] = {"global_pool": {"attention": "map", "mean": "avg"}.get(features, "token")}
    if family == "deit":
        extra |= {"reg_tokens": 1}
    elif family == "dinov2":
        registers = config.num_register_tokens
        extra |= {"init_values": 1.0, "reg_tokens": registers, "no_embed_class": registers > 0}
    elif family == "clip":
        extra |= {"pre_norm": True}
    elif family == "siglip":
        extra |= {"class_token": False}
    return kind(
        img_size=side,
        patch_size=config.patch_size,
        embed_dim=config.hidden_size,
        depth=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        mlp_ratio=(config.hidden_width + 0.5) / config.hidden_size,  # timm rounds the product down
        qkv_bias=config.qkv_bias,
        norm_layer=partial(nn.LayerNorm, eps=config.layer_norm_eps),
        act_layer=ACTIVATIONS[config.hidden_act],
        num_classes=config.projection_dim if features == "projected" else 0,
        fc_norm=False,
        weight_init="skip",
        **extra,
    ).eval()


def _unused(family: str, features: str) -> tuple[str, ...]:
    """Return the beginnings of names that these features do not need."""
    if features != "mean":
        return ()
    return ("norm.",) if family == "clip" else ("attn_pool.",)


def _resample_positions(weights: dict[str, Tensor], vit: VisionTransformer) -> None:
    """Interpolate positions [1, t, d] to the grid of another image size, as `transformers` does."""
    positions = weights.get("pos_embed")
    before = 0 if vit.no_embed_class else vit.num_prefix_tokens
    height, width = vit.patch_embed.grid_size
    if positions is None or positions.ndim != 3 or positions.shape[1] in (before, before + height * width):
        return
    count = positions.shape[1] - before
    side = round(max(count, 0) ** 0.5)
    if side**2 != count:
        return  # `fill` names the shape
    grid = positions[:, before:].reshape(1, side, side, -1).permute(0, 3, 1, 2)  # [1, d, side, side]
    grid = nn.functional.interpolate(grid.float(), size=(height, width), mode="bicubic", align_corners=False)
    patches = grid.to(positions).flatten(2).transpose(1, 2)  # [1, height · width, d]
    weights["pos_embed"] = torch.cat([positions[:, :before], patches], dim=1)
