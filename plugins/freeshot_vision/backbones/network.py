"""Build a plain vision transformer of timm, give it weights, and let it say how it wants its images."""

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
    """Bring features to length one."""

    def forward(self, features: Tensor) -> Tensor:
        """Map [b, d] to [b, d]."""
        return nn.functional.normalize(features, dim=-1)


def untrained(model: str, side: int, projection: int, seed: int = 0, **arguments: Any) -> VisionTransformer:
    """Build timm's network of this name with random weights; OptionError where there is none that fits."""
    import timm

    if not timm.is_model(model.partition(".")[0]):
        raise OptionError(f"timm has no network '{model}'. See timm.list_models('vit_*') for what it has.")
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
    """Refuse blocks on which LoRAs or the choice of patches would silently do nothing."""
    from timm.models.vision_transformer import Block, VisionTransformer

    plain = type(vit) is VisionTransformer and all(
        type(block) is Block and isinstance(getattr(block.attn, "qkv", None), nn.Linear) for block in vit.blocks
    )
    if not plain:
        raise OptionError(
            f"'{model}' is no plain vision transformer: its blocks keep q, k and v apart, turn positions in, or end in "
            "more than one class token, which LoRAs and pruning here do not know. Choose another, such as "
            "eva_large_patch14_196 among those of EVA."
        )


def fill(vit: VisionTransformer, weights: Mapping[str, Tensor], source: str) -> None:
    """Give a network weights under timm's names; DataError names the first that is missing, left over or misshapen."""
    expected = vit.state_dict()
    fitting = dict(weights)
    if "head.weight" not in expected:
        fitting = {name: tensor for name, tensor in fitting.items() if not name.startswith("head.")}
    if "pos_embed" in fitting and "pos_embed" in expected:
        fitting["pos_embed"] = _placed(fitting["pos_embed"], vit)
    for name in sorted(expected.keys() - fitting.keys()):
        raise DataError(f"{source} has no '{name}', which the network needs. Give weights of this very network.")
    for name in sorted(fitting.keys() - expected.keys()):
        raise DataError(f"{source} also holds '{name}', which the network lacks. Give weights of this very network.")
    for name, tensor in sorted(fitting.items()):
        if tensor.shape != expected[name].shape:
            raise DataError(
                f"'{name}' in {source} has shape {list(tensor.shape)}, but the network needs "
                f"{list(expected[name].shape)}. Give weights of this very network."
            )
    vit.load_state_dict(fitting)


def _placed(positions: Tensor, vit: VisionTransformer) -> Tensor:
    """Stretch positions [1, t, d] to the grid of another image size, as timm does; others are left to the check."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    prefix = 0 if vit.no_embed_class else vit.num_prefix_tokens
    side = round(max(positions.shape[1] - prefix, 0) ** 0.5)
    if positions.ndim != 3 or side == 0 or side**2 + prefix != positions.shape[1]:
        return positions
    return resample_abs_pos_embed(positions, list(vit.patch_embed.grid_size), [side, side], num_prefix_tokens=prefix)  # type: ignore[no-any-return]


def finished(
    vit: VisionTransformer,
    normalization: tuple[tuple[float, ...], tuple[float, ...]],
    scale: Literal["none", "l2"],
) -> VisionTransformer:
    """Scale features as asked, and put what decides them beside the weights into the network's state.

    So the hash of the weights tells two ways of showing images to one network apart, and a pool that was tuned in one
    way is never opened in the other.
    """
    if scale == "l2":
        vit.head = nn.Sequential(OrderedDict(projection=vit.head, unit=UnitLength()))  # type: ignore[assignment]
    facts = [*normalization[0], *normalization[1], float(scale == "l2")]
    vit.register_buffer("shown_as", torch.tensor(facts))
    return vit
