"""Read the weights of an ONNX model that onnxruntime quantised dynamically to 8 bits.

Such a model multiplies with `MatMulInteger`: activations are quantised when it runs, weights are stored as integers
with a scale and a zero point per output channel. Here the weights alone are read, as floating point:
W[o, i] = (q[i, o] − z[o]) · s[o].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from freeshot.basics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor


@dataclass(frozen=True)
class QuantizedProduct:
    """One quantised matrix product of the graph: the names of its values, and its weight."""

    activation: str
    """The floating-point value that the graph quantises."""
    output: str
    """The product, rescaled to floating point, before a bias is added."""
    bias: str
    """Name of the bias that is added to it; empty if there is none."""
    weight: np.ndarray[Any, np.dtype[np.float32]]
    """[i, o]"""


def read_quantized_weights(path: Path, unbiased: str) -> dict[str, Tensor]:
    """Return the model's weights by name: those of quantised products are named after their bias.

    `unbiased` is the name of the weight of the one product without a bias. DataError if the file is damaged or has
    another structure.
    """
    import torch

    model = open_model(path)
    tensors = {name: value for name, value in _constants(model).items() if value.dtype == np.float32 and "." in name}
    tensors = {name: value for name, value in tensors.items() if not name.startswith(("onnx::", "/"))}
    for product in quantized_products(model):
        name = product.bias.removesuffix("bias") + "weight" if product.bias else unbiased
        if name in tensors:
            raise DataError(f"{path} has two weights called '{name}'. Get the file again.")
        tensors[name] = np.ascontiguousarray(product.weight.T)  # [o, i]
    return {name: torch.from_numpy(value.copy()) for name, value in sorted(tensors.items())}


def open_model(path: Path) -> Any:
    """Open an ONNX file; DataError if it is damaged or the package `onnx` is missing."""
    try:
        import onnx
    except ImportError:
        raise DataError(
            "Reading ONNX weights needs the package onnx, which is not installed. Run: pip install 'freeshot[weights]'"
        ) from None
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable ONNX file ({type(error).__name__}). Get the file again.") from None


def quantized_products(model: Any) -> Iterator[QuantizedProduct]:
    """Yield the quantised products of a model, in the graph's order."""
    constants, nodes = _constants(model), list(model.graph.node)
    maker = {output: node for node in nodes for output in node.output}
    users: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in nodes:
        if node.op_type != "MatMulInteger":
            continue
        quantized, weight, _, zero = node.input
        (cast,) = users[node.output[0]]
        (rescale,) = users[cast.output[0]]
        (scales,) = (maker[name] for name in rescale.input if name != cast.output[0])
        (scale,) = (name for name in scales.input if name in constants)
        bias = [name for user in users.get(rescale.output[0], ()) if user.op_type == "Add" for name in user.input]
        yield QuantizedProduct(
            activation=maker[quantized].input[0],
            output=rescale.output[0],
            bias=next((name for name in bias if name.endswith(".bias") and name in constants), ""),
            weight=(constants[weight].astype(np.float32) - constants[zero].astype(np.float32)) * constants[scale],
        )


def _constants(model: Any) -> dict[str, Any]:
    from onnx import numpy_helper

    return {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}


def with_float_weights(model: Any) -> Any:
    """Return a copy of a model that multiplies the same weights in floating point, to compare other code with it."""
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    replaced = {}
    for number, product in enumerate(quantized_products(model)):
        weight = numpy_helper.from_array(product.weight, f"float_weight_{number}")
        copy.graph.initializer.append(weight)
        replaced[product.output] = onnx.helper.make_node(
            "MatMul", [product.activation, weight.name], [product.output], name=f"float_product_{number}"
        )
    nodes = [replaced.get(node.output[0], node) for node in model.graph.node]
    del copy.graph.node[:]
    copy.graph.node.extend(_needed(nodes, {output.name for output in copy.graph.output}))
    return copy


def _needed(nodes: list[Any], outputs: set[str]) -> list[Any]:
    """Drop nodes on which no output depends, such as those that quantise activations."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]
