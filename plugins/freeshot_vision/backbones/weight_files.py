"""Find and read weight files: safetensors, or torch files without executable content."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import DataError
from freeshot.basics.files import file_sha256
from freeshot.basics.system import WEIGHTS, weights_folder

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
HUB = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>(?!.*\.\.)[\w./-]+)")
WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts store the state dict."""


@dataclass(frozen=True)
class Source:
    """Source of weights, as given by options."""

    weights: str
    revision: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.from_hub and not HUB.fullmatch(self.weights):
            raise ValueError(f"'{self.weights}' is not a valid hub file. Use weights=hub:OWNER/NAME/FILE.safetensors.")
        if self.from_hub and not (re.fullmatch(r"[0-9a-f]{40}", self.revision) and self.sha256):
            raise ValueError(
                "Hub files can change under their name. Pin them: set revision to the commit's 40 hexadecimal "
                "digits, and sha256 to the file's 64."
            )
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits in lower case, not '{self.sha256}'.")

    @property
    def from_hub(self) -> bool:
        """Whether the weights are on the Hugging Face hub."""
        return self.weights.startswith("hub:")

    def file(self, name: str, line: str = "") -> Path:
        """Return the file for the backbone `name`, with its hash verified if given.

        DataError explains what to provide, with the `line` that would set it.
        """
        path = self._fetch() if self.from_hub else self._local(name, line)
        if self.sha256 and (actual := file_sha256(path)) != self.sha256:
            raise DataError(
                f"The SHA-256 of {path} differs ({actual[:12]}… instead of {self.sha256[:12]}…). Get the "
                "file again, or correct sha256."
            )
        return path

    def _local(self, name: str, line: str) -> Path:
        folder = weights_folder()
        own = [Path(self.weights), folder / self.weights]
        paths = own if self.weights else [folder / f"{name}{ending}" for ending in ENDINGS]
        for path in paths:
            if path.is_file():
                return path
        raise DataError(
            f"The weights of '{name}' were not found: {paths[-1] if self.weights else paths[0]} does not exist. "
            f"Put them there (safetensors or torch; layout of timm, Hugging Face or OpenAI), or set a file with the "
            f"option weights{line and f', as in --backbone {line}'}; {WEIGHTS} sets the folder."
        )

    def _fetch(self) -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        match = HUB.fullmatch(self.weights)
        assert match is not None
        try:
            return Path(hf_hub_download(match["repository"], match["file"], revision=self.revision))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise DataError(
                f"'{self.weights}' could not be fetched ({reason}). Check name, revision and connection, or put the "
                "file there and set the option weights."
            ) from None


def cached_file(repository: str, name: str) -> Path | None:
    """Return a file of a hub repository that Hugging Face's local cache holds; None if there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(repository, name)
    except HFValidationError:
        return None
    return Path(path) if isinstance(path, str) else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a file; DataError if it contains anything else, or infinite or NaN values."""
    import torch

    content = _read(path)
    for wrapper in WRAPPERS:
        inner = content.get(wrapper) if isinstance(content, Mapping) else None
        content = inner if isinstance(inner, Mapping) else content
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"{path} contains no named weights. Save only the network's state_dict().")
    tensors = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, torch.Tensor)}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(f"'{name}' in {path} has infinite or NaN values. Get the file again.")
    return tensors


def _read(path: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # suppress warnings about older formats
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch's reader raises almost anything on corrupt files
        raise DataError(
            f"{path} cannot be read as plain weights ({type(error).__name__}). Programs and pickled objects are never "
            "opened; save the network's state_dict() as safetensors."
        ) from None
