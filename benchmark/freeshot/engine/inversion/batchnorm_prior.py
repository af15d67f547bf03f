"""The feature prior: match images to the batch-norm statistics of a public network's training data.

The gradient of a sum over n images is n times that of a mean. Adam is invariant to that, but the ratio to the
cross-entropy is not, so both are means here and callers scale them equally.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from freeshot.basics.errors import DataError, OptionError
from freeshot.engine.inversion.prior_network import (
    KNOWN,
    PriorNetwork,
    described_network,
    open_network,
    weights_file,
)


class StatisticsPrior:
    """Distance of images from the batch-norm statistics of a frozen network.

    Images are resized to `size` pixels before, unless it is 0.
    """

    def __init__(
        self, network: nn.Module, spread: str, described: PriorNetwork = KNOWN["resnet50"], size: int = 0
    ) -> None:
        self._network = network.eval().requires_grad_(False)
        self._spread = spread
        self._described = described
        self._size = size
        self._norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    def distance(self, images: Tensor) -> Tensor:
        """Sum over all batch norms ‖μ − μ_BN‖₂ + ‖σ − σ_BN‖₂ for images [n, 3, h, w] in 0…1: a scalar."""
        terms: list[Tensor] = []
        mean, std = (
            torch.tensor(v, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
            for v in (self._described.mean, self._described.std)
        )
        if self._size:
            images = interpolate(images, (self._size, self._size), mode="bilinear")  # [n, 3, size, size]
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


def open_prior(prior: str, file: str, spread: str, device: torch.device, size: int = 0) -> StatisticsPrior:
    """Open the network called `prior` from a local weights file, given by path or by name in the weights folder."""
    described, network = open_network(prior, file)
    return StatisticsPrior(network.to(device), spread, described, size)


def prior_files(inversion: Any) -> tuple[str, ...]:
    """Return the prior's weight files of an inversion with the options `prior` and `prior_weights`."""
    return () if inversion.prior == "none" or not inversion.prior_weights else (inversion.prior_weights,)


def require_prior(inversion: Any, use: str) -> None:
    """Require the weights of an inversion's prior.

    OptionError if they are not set, DataError if the file is missing or of another network.
    """
    if inversion.prior == "none":
        return
    if not inversion.prior_weights:
        raise OptionError(
            f"Inversion '{inversion.name}' needs the weights of {inversion.prior} for its {use}. Give a file with "
            "-o inversion.prior_weights=FILE, or be strictly data-free with -o inversion.prior=none."
        )
    path = weights_file(inversion.prior_weights)
    if not path.is_file():
        raise DataError(
            f"The prior's weights {path} were not found. Put weights of {inversion.prior} there or name a file."
        )
    described_network(inversion.prior, path)
