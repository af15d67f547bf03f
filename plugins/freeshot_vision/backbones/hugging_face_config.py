"""The config.json of Hugging Face's vision transformers, with the defaults that `transformers` leaves out of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded
from freeshot.basics.text import first_problem

if TYPE_CHECKING:
    from freeshot_vision.backbones.providers import Numbers

LARGEST = 2**20
"""Maximal size of a JSON file in bytes; large ones list the names of a thousand classes."""

Size = Annotated[int, Field(ge=1, le=2**15)]
Count = Annotated[int, Field(ge=1, le=2**8)]

DEFAULTS: dict[str, dict[str, Any]] = {
    "vit": {"family": "vit", "layer_norm_eps": 1e-12, "numbers": "half"},
    "vit_msn": {"family": "vit", "layer_norm_eps": 1e-6, "numbers": "imagenet"},
    "deit": {"family": "deit", "layer_norm_eps": 1e-12, "numbers": "imagenet"},
    "dinov2": {"family": "dinov2", "layer_norm_eps": 1e-6, "numbers": "imagenet", "patch_size": 14},
    "dinov2_with_registers": {
        "family": "dinov2", "layer_norm_eps": 1e-6, "numbers": "imagenet", "num_register_tokens": 4,
    },
    "clip_vision_model": {
        "family": "clip", "layer_norm_eps": 1e-5, "numbers": "clip", "patch_size": 32, "hidden_act": "quick_gelu",
    },
    "siglip_vision_model": {
        "family": "siglip", "layer_norm_eps": 1e-6, "numbers": "half", "hidden_act": "gelu_pytorch_tanh",
    },
}  # fmt: skip
"""model_type → our family, and the values of the config's class that differ from those of `VitConfig`."""
TOWERS = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""model_type of models with a text tower → that of their image tower."""
UNSUPPORTED = {
    "beit": "its attention adds a relative position bias",
    "data2vec-vision": "its attention adds a relative position bias",
    "dinov3_vit": "its attention rotates q and k by position",
    "swin": "its attention works in windows that are shifted and merged",
    "swinv2": "its attention works in windows that are shifted and merged",
    "siglip2_vision_model": "it takes images as lists of patches",
    "siglip2": "it takes images as lists of patches",
    "ijepa": "it has no class token",
}
"""model_type → why LoRAs of it cannot be used."""


class VitConfig(BaseModel):
    """The settings of one image tower."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    family: str
    numbers: str
    """Name of the normalisation, unless a preprocessor is saved with the model."""
    hidden_size: Size = 768
    num_hidden_layers: Count = 12
    num_attention_heads: Count = 12
    intermediate_size: Size | None = None
    """Hidden width of the MLP; None: `mlp_ratio` times the width."""
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] = 4.0
    hidden_act: str = "gelu"
    layer_norm_eps: PositiveFloat
    image_size: Annotated[int, Field(ge=1, le=2**12)] = 224
    patch_size: Count = 16
    num_channels: Count = 3
    qkv_bias: bool = True
    num_register_tokens: Annotated[int, Field(ge=0, le=2**8)] = 0
    use_swiglu_ffn: bool = False
    projection_dim: Size = 512

    @model_validator(mode="after")
    def _require_whole_heads(self) -> Self:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"{self.num_attention_heads} heads do not divide a width of {self.hidden_size}")
        return self

    @property
    def hidden_width(self) -> int:
        """Hidden width of the MLP."""
        return self.intermediate_size or int(self.hidden_size * self.mlp_ratio)


class Preprocessor(BaseModel):
    """What counts of a preprocessor_config.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_mean: tuple[float, float, float] | None = None
    image_std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    size: Any = None
    crop_size: Any = None
    do_center_crop: bool = False

    @property
    def numbers(self) -> Numbers | None:
        """Mean and deviation, if both are given."""
        return (self.image_mean, self.image_std) if self.image_mean and self.image_std else None

    @property
    def side(self) -> int:
        """Side of its square images; 0 if they are not square or not stated."""
        size = self.crop_size if self.do_center_crop else self.size
        height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
        return height if isinstance(height, int) and height == width and height > 0 else 0


def read_config(file: Path) -> VitConfig:
    """Read a model's config; DataError if it is broken or of a network that is not a plain vision transformer."""
    content = _read(file)
    kind = content.get("model_type")
    if kind in TOWERS:
        tower = content.get("vision_config")
        content = (tower if isinstance(tower, dict) else {}) | {
            key: value for key, value in content.items() if key == "projection_dim"
        }
        kind = TOWERS[str(kind)]
    if kind not in DEFAULTS:
        reason = f": {UNSUPPORTED[str(kind)]}" if kind in UNSUPPORTED else ""
        raise DataError(
            f"{file} describes a model of type '{kind}', which LoRAs are not supported on here{reason}. Supported are "
            f"{', '.join([*DEFAULTS, *TOWERS])}."
        )
    try:
        config = VitConfig.model_validate(DEFAULTS[str(kind)] | content)
    except ValidationError as error:
        raise DataError(f"{file} is not a valid config ({first_problem(error)}). Save the model again.") from None
    if config.use_swiglu_ffn or config.num_channels != 3:
        feature = "SwiGLU MLPs" if config.use_swiglu_ffn else f"{config.num_channels} input channels"
        raise DataError(f"{file} describes a model with {feature}, which are not supported. Choose another model.")
    return config


def read_preprocessor(file: Path | None) -> Preprocessor:
    """Read a preprocessor's config; DataError if it is broken."""
    try:
        return Preprocessor.model_validate(_read(file)) if file is not None else Preprocessor()
    except ValidationError as error:
        raise DataError(f"{file} is not a valid config ({first_problem(error)}). Save the model again.") from None


def _read(file: Path) -> dict[str, Any]:
    import json

    try:
        content = json.loads(read_bounded(file, LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read ({error}). Save the model again.") from None
    if not isinstance(content, dict):
        raise DataError(f"{file} is not a JSON object. Save the model again.")
    return content
