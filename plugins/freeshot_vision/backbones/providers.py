"""Published networks by name. Weights are local files: nothing is downloaded unless `weights=hub:…` is set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from freeshot import BackboneProvider
from freeshot_vision.backbones.weight_files import Source, cached_file, read_weights

if TYPE_CHECKING:
    from torch import nn

Numbers = tuple[tuple[float, ...], tuple[float, ...]]

NUMBERS: dict[str, Numbers] = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "cifar": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
}
"""Mean and standard deviation of each channel; 'cifar' are those of CIFAR-100's training images."""
Normalize = Literal["own", "clip", "imagenet", "half", "cifar"]


@dataclass(frozen=True)
class TimmProvider(BackboneProvider):
    """Base class of all timm networks."""

    architecture: ClassVar[str] = ""
    """timm's name of the network."""
    own: ClassVar[str] = "imagenet"
    """The normalisation of its pre-training."""
    hub: ClassVar[tuple[str, ...]] = ()
    """Hub ids of its weights."""

    weights: str = ""
    """Weights file, or hub:OWNER/NAME/FILE, or 'random'; by default NAME.safetensors in the weights folder."""
    revision: str = ""
    """Commit of the hub repository, 40 hexadecimal digits; only with weights=hub:…"""
    sha256: str = ""
    """SHA-256 that the file must have; empty accepts any, except from the hub."""
    seed: int = 0
    """Seed of weights=random; such records are never comparable."""
    normalize: Normalize = "own"
    """Mean and deviation by which images are normalised; 'own' are those of pre-training."""
    scale: Literal["none", "l2"] = "none"
    """'l2' normalises features to length one."""
    side: int = 224
    """Side of images in pixels; learned positions are interpolated to it."""

    def __post_init__(self) -> None:
        Source(self.weights, self.revision, self.sha256)
        if self.side < 1:
            raise ValueError(f"side must be at least 1 pixel, not {self.side}.")

    @classmethod
    def proposal(cls, network: str, model_class: str = "") -> str:  # noqa: ARG003
        """Propose this network for the hub ids of its weights."""
        return cls.name if network in cls.hub else ""

    def build(self) -> nn.Module:
        """Build the network and load its weights."""
        from freeshot_vision.backbones.timm_network import fill, untrained, with_facts
        from freeshot_vision.backbones.weight_layouts import as_timm

        vit = untrained(**self.timm_arguments(), side=self.side, seed=self.seed)
        if self.weights != "random":
            path = Source(self.weights, self.revision, self.sha256).file(self.name, self._line)
            fill(vit, as_timm(read_weights(path), str(path)), str(path))
        return with_facts(vit, self.normalization(), self.scale)

    def require_ready(self) -> None:
        """Require the weights file, unless it is on the hub."""
        if self.weights != "random" and not self.weights.startswith("hub:"):
            Source(self.weights).file(self.name, self._line)

    @property
    def _line(self) -> str:
        """Spelling of this backbone for --backbone, with a file of weights."""
        options = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "weights"}
        changed = [f"{name}={value}" for name, value in options.items() if value != getattr(type(self), name)]
        return f"{self.name}:{','.join([*changed, 'weights=FILE'])}"

    def timm_arguments(self) -> dict[str, Any]:
        """Return timm's name of the network, the width of the projection after it (0: none), and further arguments."""
        return {"model": self.architecture, "projection": 0}

    def normalization(self) -> Numbers:
        """Return the selected mean and deviation."""
        return NUMBERS[self.own if self.normalize == "own" else self.normalize]

    def image_size(self) -> int:
        """Return the side of the input images in pixels."""
        return self.side

    def comparable(self) -> bool:
        """Return False for random weights."""
        return self.weights != "random"


@dataclass(frozen=True)
class _Clip(TimmProvider):
    own = "clip"

    features: Literal["projected", "pooled"] = "projected"
    """The class token after the projection into CLIP's common space (512 values), or before it (768)."""
    normalize: Normalize = "imagenet"
    """Mean and deviation by which images are normalised; LoRA Recycle never used CLIP's own."""

    def timm_arguments(self) -> dict[str, Any]:
        """Return timm's name of the network, and 512 as projection unless features are pooled."""
        return {"model": self.architecture, "projection": 512 if self.features == "projected" else 0}


@dataclass(frozen=True)
class ClipVitB16(_Clip):
    """CLIP ViT-B/16 with LoRA Recycle's settings: projected, ImageNet's normalisation, features not scaled."""

    name, architecture = "clip-vit-b16", "vit_base_patch16_clip_quickgelu_224"
    hub = ("openai/clip-vit-base-patch16",)
    citation = "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021"


@dataclass(frozen=True)
class ClipVitB16Q8(_Clip):
    """CLIP ViT-B/16 whose matrices were rounded to 8 bits, from a package of PyPI; otherwise as clip-vit-b16."""

    name, architecture = "clip-vit-b16-q8", ClipVitB16.architecture
    citation = ClipVitB16.citation


@dataclass(frozen=True)
class ClipVitB32(_Clip):
    """CLIP ViT-B/32 with LoRA Recycle's settings: projected, ImageNet's normalisation, features not scaled."""

    name, architecture = "clip-vit-b32", "vit_base_patch32_clip_quickgelu_224"
    hub = ("openai/clip-vit-base-patch32",)
    citation = ClipVitB16.citation


@dataclass(frozen=True)
class DinoV2VitS14(TimmProvider):
    """DINOv2 ViT-S/14: trained on images alone; the class token is the feature."""

    name, architecture = "dinov2-vit-s14", "vit_small_patch14_dinov2"
    hub = ("facebook/dinov2-small",)
    citation = "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024"


@dataclass(frozen=True)
class DinoV2VitB14(TimmProvider):
    """DINOv2 ViT-B/14: trained on images alone; the class token is the feature."""

    name, architecture = "dinov2-vit-b14", "vit_base_patch14_dinov2"
    hub = ("facebook/dinov2-base",)
    citation = DinoV2VitS14.citation


@dataclass(frozen=True)
class DeitVitS16(TimmProvider):
    """DeiT ViT-S/16: trained on ImageNet's labels; the class token before the classifier is the feature."""

    name, architecture = "deit-vit-s16", "deit_small_patch16_224"
    hub = ("facebook/deit-small-patch16-224",)
    citation = "Touvron et al., Training Data-Efficient Image Transformers, ICML 2021"


@dataclass(frozen=True)
class DeitVitB16(TimmProvider):
    """DeiT ViT-B/16: trained on ImageNet's labels; the class token before the classifier is the feature."""

    name, architecture = "deit-vit-b16", "deit_base_patch16_224"
    hub = ("facebook/deit-base-patch16-224",)
    citation = DeitVitS16.citation


@dataclass(frozen=True)
class SiglipVitB16(TimmProvider):
    """SigLIP ViT-B/16, which pools patches by attention; without a class token, patches cannot be dropped."""

    name, architecture, own = "siglip-vit-b16", "vit_base_patch16_siglip_224", "half"
    hub = ("google/siglip-base-patch16-224",)
    citation = "Zhai et al., Sigmoid Loss for Language Image Pre-Training, ICCV 2023"

    def timm_arguments(self) -> dict[str, Any]:
        """Add the activation with which it was trained, as in Hugging Face."""
        return super().timm_arguments() | {"act_layer": "gelu_tanh"}


@dataclass(frozen=True)
class EvaVitL14(TimmProvider):
    """EVA ViT-L/14 for 196 px, with the mean of its patches as feature.

    EVA-02's rotary blocks do not support LoRAs here.
    """

    name, architecture, own = "eva-vit-l14", "eva_large_patch14_196", "clip"
    citation = "Fang et al., EVA: Exploring the Limits of Masked Visual Representation Learning at Scale, CVPR 2023"

    side: int = 196
    """Side of images in pixels; learned positions are interpolated to it."""


@dataclass(frozen=True)
class TimmVit(TimmProvider):
    """Any plain vision transformer of timm, by timm's own name; sizes can be changed for speed tests."""

    name = "timm"
    citation = "Wightman, PyTorch Image Models"

    model: str = "vit_small_patch16_224"
    """timm's name of the network."""
    project: int = 0
    """Width of the final projection of the weights, which is then the feature; 0 for the pooled tokens."""
    patch: int = 0
    """Side of a patch in pixels; 0: the network's own."""
    width: int = 0
    """Width of a token; 0: the network's own."""
    depth: int = 0
    """Number of blocks; 0: the network's own."""
    heads: int = 0
    """Attention heads per block; 0: the network's own."""

    @classmethod
    def proposal(cls, network: str, model_class: str = "") -> str:  # noqa: ARG003
        """Propose timm's network of that name, with weights of timm's in the hub's local cache, if there are any."""
        import timm

        model = network.removeprefix("timm/")
        if not timm.is_model(model.partition(".")[0]):
            return ""
        return f"timm:model={model},weights={cached_file(f'timm/{model}', 'model.safetensors') or 'FILE'}"

    def timm_arguments(self) -> dict[str, Any]:
        """Return name, projection, and the sizes that differ from the network's own."""
        sizes = {"patch_size": self.patch, "embed_dim": self.width, "depth": self.depth, "num_heads": self.heads}
        return {"model": self.model, "projection": self.project} | {name: size for name, size in sizes.items() if size}

    def normalization(self) -> Numbers:
        """Return the selected mean and deviation, or timm's for the network."""
        if self.normalize != "own":
            return NUMBERS[self.normalize]
        from timm.models import get_pretrained_cfg

        config = get_pretrained_cfg(self.model)
        return (tuple(config.mean), tuple(config.std)) if config is not None else NUMBERS["imagenet"]


PROVIDERS: tuple[type[TimmProvider], ...] = (
    ClipVitB16,
    ClipVitB16Q8,
    ClipVitB32,
    DinoV2VitS14,
    DinoV2VitB14,
    DeitVitS16,
    DeitVitB16,
    SiglipVitB16,
    EvaVitL14,
    TimmVit,
)
