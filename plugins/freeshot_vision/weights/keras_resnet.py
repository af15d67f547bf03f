"""Convert Keras's ImageNet ResNet-50, published as a tf.js layers model, to timm's `resnet50`.

Keras's network is the original one: blocks that halve the resolution do so in their first convolution, batch norms
add 1e-3 to the variance, convolutions have biases, and images are BGR in 0…255 minus a mean per channel.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from freeshot.basics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

MEAN = (123.68, 116.779, 103.939)
"""Of the red, green and blue channel, in 0…255."""
STD = 0.226
"""Of images in 0…1, the mean of ImageNet's channels; Keras's are not divided by theirs."""
EPS = 1e-3
NETWORK = {
    "timm": "resnet50",
    "stride": "first",
    "batch_norm_eps": EPS,
    "mean": [value / 255 for value in MEAN],
    "std": [STD] * 3,
}
"""How timm's network has to be changed and shown its images; stored with the weights."""
STAGES = {"2": "layer1", "3": "layer2", "4": "layer3", "5": "layer4"}
BRANCHES = {"2a": "1", "2b": "2", "2c": "3"}
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def read_keras_resnet50(folder: Path) -> dict[str, Tensor]:
    """Return the weights of `folder/model.json` and its shards by timm's names."""
    import torch

    named = _read_shards(folder)
    tensors: dict[str, Any] = {}
    for layer in sorted({name.partition("/")[0] for name in named}):
        if layer.startswith(("conv1", "res")):
            norm = "bn_conv1" if layer == "conv1" else layer.replace("res", "bn", 1)
            convolution, batch_norm = _timm_names(layer)
            kernel = named[f"{layer}/kernel"].transpose(3, 2, 0, 1)  # [h, w, i, o] -> [o, i, h, w]
            tensors[f"{convolution}.weight"] = kernel[:, ::-1] if layer == "conv1" else kernel  # BGR -> RGB
            for ours, theirs in NORM.items():
                tensors[f"{batch_norm}.{theirs}"] = named[f"{norm}/{ours}"]
            tensors[f"{batch_norm}.running_mean"] = named[f"{norm}/moving_mean"] - named[f"{layer}/bias"]
    _rescale_first_norm(tensors)
    tensors["fc.weight"], tensors["fc.bias"] = named["fc1000/kernel"].T, named["fc1000/bias"]
    return {name: torch.from_numpy(np.array(value, order="C")) for name, value in sorted(tensors.items())}


def _rescale_first_norm(tensors: dict[str, Any]) -> None:
    """Let the first batch norm expect images of deviation 1 instead of 0…255; its output does not change.

    Its statistics would otherwise be 58 times as large, and most of a prior, which sums distances over layers.
    """
    scale, variance = 255 * STD, tensors["bn1.running_var"]
    tensors["bn1.running_mean"] = tensors["bn1.running_mean"] / scale
    tensors["bn1.running_var"] = variance / scale**2
    tensors["bn1.weight"] = tensors["bn1.weight"] * scale * np.sqrt((variance / scale**2 + EPS) / (variance + EPS))


def _timm_names(layer: str) -> tuple[str, str]:
    """Return timm's names of a convolution and its batch norm: 'res3b_branch2a' → 'layer2.1.conv1', 'layer2.1.bn1'."""
    if layer == "conv1":
        return "conv1", "bn1"
    stage, block, branch = layer[3], ord(layer[4]) - ord("a"), layer.rpartition("branch")[2]
    stem = f"{STAGES[stage]}.{block}"
    if branch == "1":
        return f"{stem}.downsample.0", f"{stem}.downsample.1"
    return f"{stem}.conv{BRANCHES[branch]}", f"{stem}.bn{BRANCHES[branch]}"


def _read_shards(folder: Path) -> Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Read the arrays of a tf.js model by name: they follow each other in its shards."""
    try:
        (group,) = json.loads((folder / "model.json").read_text(encoding="utf-8"))["weightsManifest"]
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        arrays, begin = {}, 0
        for weight in group["weights"]:
            size = 4 * int(np.prod(weight["shape"]))
            arrays[weight["name"]] = np.frombuffer(data[begin : begin + size], "<f4").reshape(weight["shape"])
            begin += size
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} is not a readable tf.js model ({error}). Get the package again.") from None
    if begin != len(data):
        raise DataError(f"The shards in {folder} have {len(data):,} bytes instead of {begin:,}. Get the package again.")
    return arrays
