"""Choice of the compute device."""

from __future__ import annotations

import torch

from freeshot.basics.errors import OptionError


def choose_device(name: str) -> torch.device:
    """Convert 'cpu', 'cuda' or 'auto' to a device; OptionError if it is not available."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("No CUDA device is available. Choose --device cpu, or install a driver that torch supports.")
    return torch.device(name)
