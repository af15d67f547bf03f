"""Which device to compute on."""

from __future__ import annotations

import torch

from freeshot.basics.errors import OptionError


def choose_device(name: str) -> torch.device:
    """Turn 'cpu', 'cuda' or 'auto' into a device; OptionError where there is none of that sort."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError(
            "No CUDA device can be used here. Choose --device cpu, or install a driver that torch can see."
        )
    return torch.device(name)
