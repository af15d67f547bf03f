"""Build a plain vision transformer of timm, load its weights, and read its normalisation."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from freeshot.basics.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timm.models.vision_transformer import VisionTransformer


class UnitLength(nn.Module):
    """Normalise features to length one."""

    def forward(self, features: Tensor) -> Tensor:
        """Map [b, d] to [b, d]."""
        return nn.functional.normalize(features, dim=-1)


def untrained(model: str, side: int, projection: int = 0, seed: int = 0, **arguments: Any) -> VisionTransformer:
    """Build timm's network `model` with random weights; OptionError if there is none or it does not fit."""
    import timm

    if not timm.is_model(model.partition(".")[0]):
        raise OptionError(f"timm has no network '{model}'. See timm.list_models('vit_*') for all names.")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vit: Any = timm.create_model(model, pretrained=False, num_classes=projection, img_size=side, **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise OptionError(
            f"timm cannot build '{model}' like this ({reason}). Choose other sizes or a plain ViT."
        ) from None
    _require_plain(model, vit)
    patch = vit.patch_embed.patch_size[0]
    if side % patch:
        raise OptionError(
            f"Images of {side} px cannot be cut into patches of {patch}. Give side a multiple of {patch}."
        )
    return vit  # type: ignore[no-any-return]


def _require_plain(model: str, vit: nn.Module) -> None:
    """Refuse networks in which LoRAs or patch selection would have no effect."""
    from timm.models.vision_transformer import Block, VisionTransformer

    plain = type(vit) is VisionTransformer and all(
        type(block) is Block and isinstance(getattr(block.attn, "qkv", None), nn.Linear) for block in vit.blocks
    )
    if not plain:
        raise OptionError(
            f"'{model}' is not a plain vision transformer: its blocks have separate q, k and v, rotary positions, or "
            "several class tokens, which LoRAs and pruning do not support. Choose another, such as "
            "eva_large_patch14_196 of EVA."
        )


def fill(vit: VisionTransformer, weights: Mapping[str, Tensor], source: str) -> None:
    """Load weights with timm's names; DataError names the first that is missing, unused or has another shape."""
    expected = vit.state_dict()
    fitting = dict(weights)
    if "head.weight" not in expected:
        fitting = {name: tensor for name, tensor in fitting.items() if not name.startswith("head.")}
    if "pos_embed" in fitting and "pos_embed" in expected:
        fitting["pos_embed"] = _at_grid(fitting["pos_embed"], vit)
    for name in sorted(expected.keys() - fitting.keys()):
        raise DataError(f"{source} has no '{name}', which the network needs. Provide weights of this network.")
    for name in sorted(fitting.keys() - expected.keys()):
        raise DataError(f"{source} also has '{name}', which the network lacks. Provide weights of this network.")
    for name, tensor in sorted(fitting.items()):
        if tensor.shape != expected[name].shape:
            raise DataError(
                f"'{name}' in {source} has shape {list(tensor.shape)}, but the network needs "
                f"{list(expected[name].shape)}. Provide weights of this network."
            )
    vit.load_state_dict(fitting)


def _at_grid(positions: Tensor, vit: VisionTransformer) -> Tensor:
    """Interpolate positions [1, t, d] to the grid of another image size, as timm does; others are checked later."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    prefix = 0 if vit.no_embed_class else vit.num_prefix_tokens
    side = round(max(positions.shape[1] - prefix, 0) ** 0.5)
    if positions.ndim != 3 or side == 0 or side**2 + prefix != positions.shape[1]:
        return positions
    return resample_abs_pos_embed(positions, list(vit.patch_embed.grid_size), [side, side], num_prefix_tokens=prefix)  # type: ignore[no-any-return]


def with_facts(
    vit: VisionTransformer,
    normalization: tuple[tuple[float, ...], tuple[float, ...]],
    scale: Literal["none", "l2"],
) -> VisionTransformer:
    """Apply the feature scaling, and store the settings besides the weights in the network's state.

    The hash of the weights then differs between two normalisations of one network, and a pool tuned with one is never
    opened with the other.
    """
    if scale == "l2":
        vit.head = nn.Sequential(OrderedDict(projection=vit.head, unit=UnitLength()))  # type: ignore[assignment]
    facts = [*normalization[0], *normalization[1], float(scale == "l2")]
    vit.register_buffer("shown_as", torch.tensor(facts))
    return vit
