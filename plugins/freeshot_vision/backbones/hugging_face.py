"""Vision transformers as Hugging Face saves them: a folder with config.json and weights, or a model of its cache."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from freeshot import BackboneProvider
from freeshot.basics.errors import DataError
from freeshot_vision.backbones.weight_files import cached_file, read_weights

if TYPE_CHECKING:
    from torch import nn

    from freeshot_vision.backbones.hugging_face_config import VitConfig
    from freeshot_vision.backbones.providers import Numbers

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
FEATURES = {
    r"Dinov2(WithRegisters)?ForImageClassification": "class+mean",
    r"(CLIP|Siglip)ForImageClassification": "mean",
    r"CLIPVisionModelWithProjection": "projected",
}
"""Classes of `transformers` whose classifier reads other features than the model's own."""


@dataclass(frozen=True)
class ModelFolder:
    """The files of one model: in a folder, or of a hub id in Hugging Face's local cache."""

    model: str

    @property
    def exists(self) -> bool:
        """Whether there is such a model; files may be missing."""
        return self._path(CONFIG) is not None

    @property
    def config(self) -> Path:
        """The model's config.json; DataError if it is missing."""
        return self._required(CONFIG)

    @property
    def preprocessor(self) -> Path | None:
        """The model's preprocessor_config.json, if there is one."""
        return self._path(PREPROCESSOR)

    @property
    def weights(self) -> Path:
        """The model's weights, safetensors first; DataError if they are missing."""
        paths = (self._path(name) for name in WEIGHTS)
        return next((path for path in paths if path is not None), None) or self._required(WEIGHTS[0])

    def _path(self, name: str) -> Path | None:
        if Path(self.model).is_dir():
            path = Path(self.model, name)
            return path if path.is_file() else None
        return cached_file(self.model, name) if HUB_ID.fullmatch(self.model) else None

    def _required(self, name: str) -> Path:
        if path := self._path(name):
            return path
        if Path(self.model).is_dir():
            raise DataError(
                f"{self.model} has no {name}. Save the model there with save_pretrained, in a single file, or give "
                "another folder."
            )
        where = "neither a folder nor in Hugging Face's cache" if HUB_ID.fullmatch(self.model) else "not a folder"
        fetch = f"fetch it with 'hf download {self.model} {CONFIG} {PREPROCESSOR} {WEIGHTS[0]}'"
        remedy = fetch if HUB_ID.fullmatch(self.model) else "give the folder of its config.json"
        raise DataError(f"The model '{self.model}' is {where}. Save it as a folder with save_pretrained, or {remedy}.")


@dataclass(frozen=True)
class HuggingFaceVit(BackboneProvider):
    """A ViT, DeiT, DINOv2, CLIP or SigLIP image tower of Hugging Face, from its folder or local cache."""

    name = "hf"
    citation = "Wolf et al., Transformers: State-of-the-Art Natural Language Processing, EMNLP 2020"

    model: str = ""
    """Folder with config.json and model.safetensors, or the hub id of a model in the local cache."""
    features: Literal["own", "class", "class+mean", "mean", "projected"] = "own"
    """'own': class token, or SigLIP's pooling; others: as classifiers of DINOv2, CLIP and SigLIP, or CLIP's space."""
    side: int = 0
    """Side of images in pixels; 0: that of the model's preprocessor, or of its config."""

    def __post_init__(self) -> None:
        if self.side < 0:
            raise ValueError(f"side must be at least 1 pixel, or 0 for the model's own, not {self.side}.")

    @classmethod
    def proposal(cls, network: str, model_class: str = "") -> str:
        """Propose a model that is a folder or has the form of a hub id, with the features its classifier reads."""
        is_hub_id = HUB_ID.fullmatch(network) and not network.startswith("timm/")
        if not (is_hub_id or ModelFolder(network).exists):
            return ""
        features = next((f for pattern, f in FEATURES.items() if re.fullmatch(pattern, model_class)), "own")
        return f"hf:model={network}" + (f",features={features}" if features != "own" else "")

    def build(self) -> nn.Module:
        """Build the same network with timm, and load its weights."""
        from freeshot_vision.backbones.hugging_face_network import network_of
        from freeshot_vision.backbones.timm_network import with_facts

        weights = self._folder.weights
        vit = network_of(self._config, self.features, self.image_size(), read_weights(weights), str(weights))
        return with_facts(vit, self.normalization(), "none")

    def require_ready(self) -> None:
        """Require the model's files, and a config of a supported family."""
        _ = self._config, self._folder.weights

    def normalization(self) -> Numbers:
        """Return mean and deviation of the model's preprocessor, or of its family."""
        from freeshot_vision.backbones.hugging_face_config import read_preprocessor
        from freeshot_vision.backbones.providers import NUMBERS

        return read_preprocessor(self._folder.preprocessor).numbers or NUMBERS[self._config.numbers]

    def image_size(self) -> int:
        """Return the side of the input images in pixels."""
        from freeshot_vision.backbones.hugging_face_config import read_preprocessor

        return self.side or read_preprocessor(self._folder.preprocessor).side or self._config.image_size

    @property
    def _folder(self) -> ModelFolder:
        if not self.model:
            raise DataError("The backbone 'hf' needs a model: a folder, or a hub id. Write it as hf:model=FOLDER.")
        return ModelFolder(self.model)

    @cached_property
    def _config(self) -> VitConfig:
        from freeshot_vision.backbones.hugging_face_config import read_config

        return read_config(self._folder.config)
