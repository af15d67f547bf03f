"""Linear layers of a frozen network computed by oneDNN equal torch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from freeshot.engine import open_backbone, weights_sha256
from freeshot.engine.metering.flop_counter import Operations
from freeshot.engine.vit import frozen_linear
from freeshot.engine.vit.frozen_linear import FrozenLinear, with_frozen_linear
from freeshot.testing.toy import ToyVit

if TYPE_CHECKING:
    from freeshot.engine import Backbone

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch was built without oneDNN"
)


@pytest.fixture
def layer() -> FrozenLinear:
    torch.manual_seed(0)
    return FrozenLinear(nn.Linear(24, 10).requires_grad_(False))


@pytest.fixture(params=[True, False])
def backbone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """Return the toy network with and without the replaced layers."""
    monkeypatch.setattr(frozen_linear, "worthwhile", lambda: request.param)
    opened = open_backbone(ToyVit())
    assert any(isinstance(module, FrozenLinear) for module in opened.vit.modules()) == request.param
    return opened


@pytest.mark.parametrize("shape", [(24,), (3, 24), (2, 5, 24), (0, 24)])
def test_outputs_and_gradients_are_those_of_a_linear_layer(layer: FrozenLinear, shape: tuple[int, ...]) -> None:
    inputs, same = (torch.randn(shape, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    outputs, expected = layer(inputs), linear(same, layer.weight, layer.bias)
    assert torch.allclose(outputs, expected, atol=1e-5)
    outputs.sin().sum().backward()
    expected.sin().sum().backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    assert same.grad is not None
    assert torch.allclose(inputs.grad, same.grad, atol=1e-5)


def test_gradients_have_gradients(layer: FrozenLinear) -> None:
    def curvature(product: object) -> torch.Tensor:
        inputs = torch.linspace(-1, 1, 24).requires_grad_()
        (slope,) = torch.autograd.grad(product(inputs).square().sum(), inputs, create_graph=True)  # type: ignore[operator]
        (second,) = torch.autograd.grad(slope.square().sum(), inputs)
        return second

    expected = curvature(lambda inputs: linear(inputs, layer.weight, layer.bias))
    assert float(expected.norm()) > 0
    assert torch.allclose(curvature(layer), expected, rtol=1e-4)


def test_trained_weights_get_their_gradient(layer: FrozenLinear) -> None:
    layer.requires_grad_(True)
    layer(torch.ones(2, 24)).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.full((10, 24), 2.0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_computed_by_torch(layer: FrozenLinear, dtype: torch.dtype) -> None:
    layer = layer.to(dtype)
    inputs = torch.ones(2, 24, dtype=dtype)
    assert torch.equal(layer(inputs), linear(inputs, layer.weight, layer.bias))


def test_the_network_keeps_its_names_and_its_hash() -> None:
    vit = ToyVit().build().requires_grad_(False)
    names, digest = list(vit.state_dict()), weights_sha256(vit)
    changed = with_frozen_linear(vit)
    assert (list(changed.state_dict()), weights_sha256(changed)) == (names, digest)


def test_the_same_operations_are_counted(backbone: Backbone) -> None:
    images = torch.zeros(2, 3, backbone.image_size, backbone.image_size, requires_grad=True)
    with Operations() as counted:
        backbone.vit(backbone.normalize(images)).sum().backward()
    plain = ToyVit().build().eval().requires_grad_(False)
    with Operations() as expected:
        plain(backbone.normalize(images)).sum().backward()
    assert counted.count == expected.count


def test_all_linear_layers_of_a_trainable_copy_get_gradients(backbone: Backbone) -> None:
    copy = backbone.trainable_copy()
    copy(torch.rand(2, 3, backbone.image_size, backbone.image_size)).sum().backward()
    weights = [module.weight for module in copy.modules() if isinstance(module, nn.Linear)]
    assert weights
    assert all(weight.grad is not None for weight in weights)
