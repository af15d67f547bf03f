"""The feature prior: images should have the batch-norm statistics that a public network saw in training.

The gradient of a sum over n images is n times that of a mean; Adam does not care, but the ratio to the
cross-entropy does, so both are means here and are scaled alike by whoever adds them up.
"""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from freeshot.basics.errors import DataError, OptionError
from freeshot.basics.files import file_sha256
from freeshot.basics.weights import weights_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


MULTIPLY_ADDS = 4.09e9
"""Of ResNet-50 on an image of 224 px, forward."""
NAMED_BY_HASH = re.compile(r".*-([0-9a-f]{8,64})\.pth")
"""How torchvision names its files: resnet50-0676ba61.pth."""


def operations(side: int) -> float:
    """Return the operations of asking the prior about an image: forward, and back to its pixels."""
    return 2 * 2 * MULTIPLY_ADDS * (side / 224) ** 2


class StatisticsPrior:
    """A frozen network with batch norms, as a distance of images from what it knows."""

    def __init__(self, network: nn.Module, spread: str) -> None:
        self._network = network.eval().requires_grad_(False)
        self._spread = spread
        self._norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    def distance(self, images: Tensor) -> Tensor:
        """Sum over all batch norms ‖μ − μ_BN‖₂ + ‖σ − σ_BN‖₂ for images [n, 3, h, w] in 0…1: a scalar."""
        terms: list[Tensor] = []
        handles = [
            norm.register_forward_pre_hook(lambda module, inputs: terms.append(self._term(module, inputs[0])))
            for norm in self._norms
        ]
        try:
            mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, STD))
            self._network((images - mean) / std)
        finally:
            for handle in handles:
                handle.remove()
        return torch.stack(terms).sum()

    def _term(self, norm: Any, inputs: Tensor) -> Tensor:
        mean, variance = inputs.mean((0, 2, 3)), inputs.var((0, 2, 3), unbiased=False)
        known: Tensor = norm.running_var
        if self._spread == "std":
            variance, known = (variance + 1e-8).sqrt(), known.sqrt()
        distance: Tensor = (mean - norm.running_mean).norm() + (variance - known).norm()
        return distance


def open_prior(file: str, spread: str, device: torch.device) -> StatisticsPrior:
    """Open a ResNet-50 from a local weights file, found as it is named or in the folder of weights."""
    import timm
    from safetensors import SafetensorError

    network = timm.create_model("resnet50", pretrained=False)
    try:
        network.load_state_dict(_weights(weights_file(file)))
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"The prior's weights {file} cannot be used ({reason}). Give those of a ResNet-50.") from None
    return StatisticsPrior(network.to(device), spread)


def prior_files(inversion: Any) -> tuple[str, ...]:
    """Name the prior's weights of an inversion with the options `prior` and `prior_weights`, where there is one."""
    return () if inversion.prior == "none" or not inversion.prior_weights else (inversion.prior_weights,)


def require_prior(inversion: Any, use: str) -> None:
    """Refuse an inversion with these options whose prior lacks its weights; OptionError, or DataError for a file."""
    if inversion.prior == "none":
        return
    if not inversion.prior_weights:
        raise OptionError(
            f"Inversion '{inversion.name}' needs the weights of a ResNet-50 for its {use}. Give a file with "
            "-o inversion.prior_weights=FILE, or be strictly data-free with -o inversion.prior=none."
        )
    path = weights_file(inversion.prior_weights)
    if not path.is_file():
        raise DataError(f"The prior's weights {path} were not found. Put those of a ResNet-50 there, or name a file.")


def weights_file(file: str) -> Path:
    """Find a file of weights, or say where it should be; DataError where it is not what its name promises."""
    path = next((place for place in (Path(file), weights_folder() / file) if place.is_file()), Path(file))
    promised = NAMED_BY_HASH.fullmatch(path.name)
    if promised and path.is_file() and not (found := file_sha256(path)).startswith(promised[1]):
        raise DataError(f"{path} is not what its name promises (its SHA-256 is {found[:12]}…). Get the file again.")
    return path


def _weights(file: Path) -> Mapping[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    loaded: Mapping[str, Tensor] = torch.load(file, weights_only=True, map_location="cpu")
    return loaded
