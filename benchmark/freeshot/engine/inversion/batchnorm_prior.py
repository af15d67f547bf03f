"""The feature prior: match images to the batch-norm statistics of a public network's training data.

The gradient of a sum over n images is n times that of a mean. Adam is invariant to that, but the ratio to the
cross-entropy is not, so both are means here and callers scale them equally.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from freeshot.basics.errors import DataError, OptionError
from freeshot.basics.files import file_sha256
from freeshot.basics.system import weights_folder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAMED_BY_HASH = re.compile(r".*-([0-9a-f]{8,64})\.pth")
"""torchvision's file names: resnet50-0676ba61.pth."""


class StatisticsPrior:
    """Distance of images from the batch-norm statistics of a frozen network."""

    def __init__(self, network: nn.Module, spread: str) -> None:
        self._network = network.eval().requires_grad_(False)
        self._spread = spread
        self._norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    def distance(self, images: Tensor) -> Tensor:
        """Sum over all batch norms ‖μ − μ_BN‖₂ + ‖σ − σ_BN‖₂ for images [n, 3, h, w] in 0…1: a scalar."""
        terms: list[Tensor] = []
        mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, STD))
        with ExitStack() as stack:
            for norm in self._norms:
                hook = norm.register_forward_pre_hook(lambda norm, inputs: terms.append(self._term(norm, inputs[0])))
                stack.enter_context(hook)
            self._network((images - mean) / std)
        return torch.stack(terms).sum()

    def _term(self, norm: Any, inputs: Tensor) -> Tensor:
        mean, spread = inputs.mean((0, 2, 3)), inputs.var((0, 2, 3), unbiased=False)  # [channels] each
        natural: Tensor = norm.running_var
        if self._spread == "std":
            spread, natural = (spread + 1e-8).sqrt(), natural.sqrt()
        distance: Tensor = (mean - norm.running_mean).norm() + (spread - natural).norm()
        return distance


def open_prior(file: str, spread: str, device: torch.device) -> StatisticsPrior:
    """Open a ResNet-50 from a local weights file, given by path or by name in the weights folder."""
    import timm
    from safetensors import SafetensorError

    network = timm.create_model("resnet50", pretrained=False)
    try:
        network.load_state_dict(_weights(weights_file(file)))
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"The prior's weights {file} cannot be used ({reason}). Give ResNet-50 weights.") from None
    return StatisticsPrior(network.to(device), spread)


def prior_files(inversion: Any) -> tuple[str, ...]:
    """Return the prior's weight files of an inversion with the options `prior` and `prior_weights`."""
    return () if inversion.prior == "none" or not inversion.prior_weights else (inversion.prior_weights,)


def require_prior(inversion: Any, use: str) -> None:
    """Require the weights of an inversion's prior.

    OptionError if they are not set, DataError if the file is missing.
    """
    if inversion.prior == "none":
        return
    if not inversion.prior_weights:
        raise OptionError(
            f"Inversion '{inversion.name}' needs the weights of a ResNet-50 for its {use}. Give a file with "
            "-o inversion.prior_weights=FILE, or be strictly data-free with -o inversion.prior=none."
        )
    path = weights_file(inversion.prior_weights)
    if not path.is_file():
        raise DataError(f"The prior's weights {path} were not found. Put ResNet-50 weights there or name a file.")


def weights_file(file: str) -> Path:
    """Return the path of a weights file; DataError if its content does not match the hash in its name."""
    path = next((path for path in (Path(file), weights_folder() / file) if path.is_file()), Path(file))
    match = NAMED_BY_HASH.fullmatch(path.name)
    if match and path.is_file() and not (actual := file_sha256(path)).startswith(match[1]):
        raise DataError(f"{path} does not match the hash in its name (its SHA-256 is {actual[:12]}…). Get it again.")
    return path


def _weights(file: Path) -> Mapping[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    loaded: Mapping[str, Tensor] = torch.load(file, weights_only=True, map_location="cpu")
    return loaded
