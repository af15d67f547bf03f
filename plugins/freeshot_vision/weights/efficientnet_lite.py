"""Convert EfficientNet-Lite0 from the layout of its package to timm's `tf_efficientnet_lite0`.

Both list the same tensors in the order of the network; only the names differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot_vision.backbones.weight_files import read_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NETWORK = {"timm": "tf_efficientnet_lite0", "mean": [0.5] * 3, "std": [0.5] * 3}
"""timm's network, and the normalisation of its images; stored with the weights."""


def read_efficientnet_lite0(path: Path) -> dict[str, Tensor]:
    """Return the weights by timm's names; DataError if a shape differs."""
    import timm

    expected = timm.create_model(str(NETWORK["timm"]), pretrained=False).state_dict()
    tensors = list(read_weights(path).values())
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in expected.values()]:
        raise DataError(
            f"{path} does not have the tensors of EfficientNet-Lite0 in their order. Get the package again."
        )
    return dict(zip(expected, tensors, strict=True))
