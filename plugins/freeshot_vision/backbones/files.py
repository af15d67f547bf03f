"""Find and read weight files: safetensors, or torch files without executable content."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # only the exception's name; nothing is unpickled
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import DataError
from freeshot.basics.files import file_sha256
from freeshot.basics.system import WEIGHTS, weights_folder

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
HUB = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>(?!.*\.\.)[\w./-]+)")
DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError),
    *(OSError, RuntimeError, TypeError, UnpicklingError, ValueError),
)
"""Exceptions of torch on corrupt files, collected by testing thousands."""
WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts store the state dict."""


@dataclass(frozen=True)
class Source:
    """Source of weights, as given by options."""

    weights: str
    revision: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.weights.startswith("hub:"):
            if not HUB.fullmatch(self.weights):
                raise ValueError(
                    f"'{self.weights}' is not a valid hub file. Use weights=hub:OWNER/NAME/FILE.safetensors."
                )
            if not re.fullmatch(r"[0-9a-f]{40}", self.revision) or not self.sha256:
                raise ValueError(
                    "Hub files can change under their name. Pin them: set revision to the commit's 40 hexadecimal "
                    "digits, and sha256 to the file's 64."
                )
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits in lower case, not '{self.sha256}'.")

    def file(self, name: str) -> Path:
        """Return the file for the backbone `name`, with its hash verified if given.

        DataError explains what to provide.
        """
        path = self._from_hub() if self.weights.startswith("hub:") else self._local(name)
        if self.sha256 and (found := file_sha256(path)) != self.sha256:
            raise DataError(
                f"The SHA-256 of {path} differs ({found[:12]}… instead of {self.sha256[:12]}…). Get the "
                "file again, or correct sha256."
            )
        return path

    def _local(self, name: str) -> Path:
        folder = weights_folder()
        places = (
            [Path(self.weights), folder / self.weights] if self.weights else [folder / f"{name}{e}" for e in ENDINGS]
        )
        for place in places:
            if place.is_file():
                return place
        raise DataError(
            f"The weights of '{name}' were not found: {places[-1] if self.weights else places[0]} does not exist. "
            f"Put them there (safetensors or torch; layout of timm, Hugging Face or OpenAI), or set a file with the "
            f"option weights; {WEIGHTS} sets the folder."
        )

    def _from_hub(self) -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        asked = HUB.fullmatch(self.weights)
        assert asked is not None
        try:
            return Path(hf_hub_download(asked["repository"], asked["file"], revision=self.revision))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise DataError(
                f"'{self.weights}' could not be fetched ({reason}). Check name, revision and connection, or put the "
                "file there and set the option weights."
            ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a file; DataError if it contains anything else, or infinite or NaN values."""
    import torch

    found = _read(path)
    for wrapper in WRAPPERS:
        inner = found.get(wrapper) if isinstance(found, Mapping) else None
        found = inner if isinstance(inner, Mapping) else found
    if not isinstance(found, Mapping) or not found:
        raise DataError(f"{path} contains no named weights. Save only the network's state_dict().")
    tensors = {str(name): tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(f"'{name}' in {path} has infinite or NaN values. Get the file again.")
    return tensors


def _read(path: Path) -> Any:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # suppress warnings about older formats
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (*DAMAGE, SafetensorError) as error:
        raise DataError(
            f"{path} cannot be read as plain weights ({type(error).__name__}). Programs and pickled objects are never "
            "opened; save the network's state_dict() as safetensors."
        ) from None
