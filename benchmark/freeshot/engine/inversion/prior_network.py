"""Open the public network whose batch-norm statistics are a prior, from a file of weights.

The metadata of a converted safetensors file state how the network differs from timm's and how its images are
normalised. A file without them is taken for timm's own network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError
from torch import Tensor, nn

from freeshot.basics.errors import DataError
from freeshot.basics.files import file_sha256
from freeshot.basics.system import weights_folder
from freeshot.basics.text import first_problem

NAMED_BY_HASH = re.compile(r".*-([0-9a-f]{8,64})\.pth")
"""torchvision's file names: resnet50-0676ba61.pth."""
NETWORK = "network"
"""Key of the metadata that hold a `PriorNetwork` as JSON."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[PositiveFloat, Field(allow_inf_nan=False)]


class PriorNetwork(BaseModel):
    """How timm builds a network, and how its images are normalised."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timm: str
    """timm's name of it."""
    mean: tuple[Finite, Finite, Finite]
    """Of red, green and blue, in 0…1."""
    std: tuple[Positive, Positive, Positive]
    batch_norm_eps: Positive | None = None
    """Added to the variance in each batch norm; None as in timm."""
    stride: Literal["first"] | None = None
    """'first': bottleneck blocks halve the resolution in their first convolution; None as in timm, in the second."""

    def adapt(self, network: nn.Module) -> None:
        """Change timm's network to this one; ValueError if it has no bottleneck blocks to move the stride of."""
        from timm.models.resnet import Bottleneck

        blocks: list[Any] = [module for module in network.modules() if isinstance(module, Bottleneck)]
        if self.stride == "first" and not blocks:
            raise ValueError("its stride cannot be moved, since it has no bottleneck blocks")
        for block in blocks if self.stride == "first" else ():
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
        for module in network.modules():
            if self.batch_norm_eps is not None and isinstance(module, nn.BatchNorm2d):
                module.eps = self.batch_norm_eps


KNOWN = {
    "resnet50": PriorNetwork(timm="resnet50", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "efficientnet-lite0": PriorNetwork(timm="tf_efficientnet_lite0", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
}
"""The networks that an inversion's option `prior` names, as timm has them."""


def open_network(prior: str, file: str) -> tuple[PriorNetwork, nn.Module]:
    """Open the network called `prior` from a weights file, given by path or by name in the weights folder.

    DataError if the file cannot be read, or its metadata or tensors are those of another network.
    """
    import timm

    path = weights_file(file)
    described = described_network(prior, path)
    with _usable(prior, path):
        network = timm.create_model(described.timm, pretrained=False)
        described.adapt(network)
        network.load_state_dict(_tensors(path))
    return described, network


def described_network(prior: str, path: Path) -> PriorNetwork:
    """Return the network that a file's metadata describe, or timm's own if there are none.

    DataError unless it is the one called `prior`.
    """
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return KNOWN[prior]
    with _usable(prior, path), safe_open(path, "pt") as file:
        metadata = (file.metadata() or {}).get(NETWORK)
    if metadata is None:
        return KNOWN[prior]
    try:
        described = PriorNetwork.model_validate_json(metadata)
    except ValidationError as error:
        raise DataError(
            f"The metadata of {path} do not describe the network of a prior ({first_problem(error)}). "
            f"Give weights of {prior}."
        ) from None
    if described.timm != KNOWN[prior].timm:
        fitting = [f"set -o inversion.prior={name}" for name, known in KNOWN.items() if known.timm == described.timm]
        raise DataError(
            f"The prior's weights {path} are of {described.timm}, not of {prior}. "
            f"Give weights of {prior}{''.join(f', or {way}' for way in fitting)}."
        )
    return described


def available_prior() -> tuple[str, str] | None:
    """Return the name of a prior and of its file, if one is in the weights folder; ResNet-50 first."""
    for prior in KNOWN:
        for path in sorted(weights_folder().glob(f"{prior}*")):
            if path.suffix in (".safetensors", ".pth"):
                return prior, path.name
    return None


def weights_file(file: str) -> Path:
    """Return the path of a weights file; DataError if its content does not match the hash in its name."""
    path = next((path for path in (Path(file), weights_folder() / file) if path.is_file()), Path(file))
    named = NAMED_BY_HASH.fullmatch(path.name)
    if named and path.is_file() and not (actual := file_sha256(path)).startswith(named[1]):
        raise DataError(f"{path} does not match the hash in its name (its SHA-256 is {actual[:12]}…). Get it again.")
    return path


@contextmanager
def _usable(prior: str, path: Path) -> Iterator[None]:
    """Turn what readers and networks raise on unsuitable files into a DataError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"The prior's weights {path} cannot be used ({reason}). Give weights of {prior}.") from None


def _tensors(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    loaded: Mapping[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return loaded
