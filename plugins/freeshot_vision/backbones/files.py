"""Find and read files of weights: safetensors, or torch's own without anything that could run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # only the name of the error; nothing is unpickled
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import DataError
from freeshot.basics.files import file_sha256
from freeshot.basics.weights import WEIGHTS, weights_folder

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
HUB = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>(?!.*\.\.)[\w./-]+)")
DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError),
    *(OSError, RuntimeError, TypeError, UnpicklingError, ValueError),
)
"""What torch raises at a file that was changed by chance; tried with thousands."""
WRAPPERS = ("state_dict", "model")
"""Under which training scripts hide the weights in a file."""


@dataclass(frozen=True)
class Source:
    """Where weights come from, as options say it."""

    weights: str
    revision: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.weights.startswith("hub:"):
            if not HUB.fullmatch(self.weights):
                raise ValueError(
                    f"'{self.weights}' names no file of the hub. Write it as weights=hub:OWNER/NAME/FILE.safetensors."
                )
            if not re.fullmatch(r"[0-9a-f]{40}", self.revision) or not self.sha256:
                raise ValueError(
                    "Weights of the hub can change under their name. Pin them: revision is the commit's 40 hexadecimal "
                    "digits, sha256 the file's 64."
                )
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits in lower case, not '{self.sha256}'.")

    def file(self, name: str) -> Path:
        """Return the file for a backbone of this name, verified where a hash is given; DataError says what to put."""
        path = self._from_hub() if self.weights.startswith("hub:") else self._local(name)
        if self.sha256 and (found := file_sha256(path)) != self.sha256:
            raise DataError(
                f"The weights {path} are not those asked for ({found[:12]}… instead of {self.sha256[:12]}…). Get the "
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
            f"The weights of '{name}' were not found: there is no file {places[-1] if self.weights else places[0]}. "
            f"Put them there (safetensors or torch; layout of timm, Hugging Face or OpenAI), or name a file with the "
            f"option weights; the folder can be set by {WEIGHTS}."
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
                "file there by hand and name it with the option weights."
            ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a file; DataError where it holds anything else, or values that are not finite."""
    import torch

    found = _read(path)
    for wrapper in WRAPPERS:
        inner = found.get(wrapper) if isinstance(found, Mapping) else None
        found = inner if isinstance(inner, Mapping) else found
    if not isinstance(found, Mapping) or not found:
        raise DataError(f"{path} holds no named weights. Save the network's state_dict() alone.")
    tensors = {str(name): tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(f"'{name}' in {path} is not finite everywhere. Get the file again.")
    return tensors


def _read(path: Path) -> Any:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # of older formats; what matters is an error
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (*DAMAGE, SafetensorError) as error:
        raise DataError(
            f"{path} cannot be read as plain weights ({type(error).__name__}). Programs and pickled objects are never "
            "opened; save the network's state_dict() as safetensors."
        ) from None
