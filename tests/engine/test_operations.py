"""Operations are counted as by torch's own counter, and counting changes no bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from freeshot.engine import Backbone
from freeshot.engine.lora.bank import LoraBank, slots_of
from freeshot.engine.metering.flop_counter import Operations, _attention, _attention_backward
from freeshot.engine.vit.forward import forward


def counted(work: Callable[[], object]) -> int:
    with Operations() as operations:
        work()
    return int(operations.count)


def test_a_product_is_two_operations_for_each_multiply_add() -> None:
    a, b = torch.rand(3, 4), torch.rand(4, 5)
    assert counted(lambda: a @ b) == 2 * 3 * 4 * 5
    assert counted(lambda: torch.rand(2, 3, 4) @ b) == 2 * 2 * 3 * 4 * 5
    assert counted(lambda: a + 1) == 0


def test_backward_counts() -> None:
    weight = torch.rand(5, 4, requires_grad=True)
    forward = 2 * 3 * 4 * 5

    def both_ways() -> None:
        linear(torch.rand(3, 4), weight).sum().backward()  # type: ignore[no-untyped-call]

    assert counted(both_ways) == 2 * forward


def test_operations_within_layers_are_counted_in_inference_mode() -> None:
    layer = nn.Linear(4, 5)
    with torch.inference_mode():
        assert counted(lambda: layer(torch.rand(2, 3, 4))) == 2 * 2 * 3 * 4 * 5
        assert counted(lambda: conv2d(torch.rand(1, 3, 8, 8), torch.rand(2, 3, 4, 4), stride=4)) == 2 * 4 * 48 * 2


@pytest.mark.parametrize("axes", [(), (2,)], ids=["addmm", "baddbmm"])
def test_a_product_with_a_bias_costs_what_the_product_does(axes: tuple[int, ...]) -> None:
    bias, a, b = torch.rand(*axes, 3, 5), torch.rand(*axes, 3, 4), torch.rand(*axes, 4, 5)
    added = torch.baddbmm if axes else torch.addmm
    assert counted(lambda: added(bias, a, b)) == counted(lambda: a @ b) > 0


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_count_as_by_torch(stride: int) -> None:
    def both_ways() -> None:
        weight = torch.rand(4, 3, 3, 3, requires_grad=True)
        images = torch.rand(2, 3, 9, 9, requires_grad=True)
        conv2d(images, weight, torch.rand(4, requires_grad=True), stride).sum().backward()  # type: ignore[no-untyped-call]

    with FlopCounterMode(display=False) as torchs:
        both_ways()
    assert counted(both_ways) == torchs.get_total_flops() > 0


def test_attention_counts_as_by_torch_where_queries_keys_and_values_differ() -> None:
    shapes = (2, 3, 5, 7), (2, 3, 4, 7), (2, 3, 4, 6)
    query, key, value = map(torch.rand, shapes)
    slope = torch.rand(2, 3, 5, 6)
    assert _attention(query, key, value) == sdpa_flop_count(*shapes)  # type: ignore[no-untyped-call]
    backward = sdpa_backward_flop_count(slope.shape, *shapes)  # type: ignore[no-untyped-call]
    assert _attention_backward(slope, query, key, value) == backward


def test_attention_counts_two_products() -> None:
    q = torch.rand(1, 2, 7, 4)
    assert counted(lambda: scaled_dot_product_attention(q, q, q)) == 2 * 2 * 2 * 7 * 7 * 4


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_layer_that_torch_fuses_counts_as_much_as_its_parts(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 24, 0.0, "gelu", batch_first=True, norm_first=norm_first).eval()
    source = torch.rand(3, 5, 8)
    parts = counted(lambda: layer(source))  # with gradients torch runs its parts
    with torch.no_grad():
        fused = counted(lambda: layer(source))
    by_hand = 3 * 5 * (4 * 8 * 8 + 2 * 5 * 8 + 2 * 8 * 24) * 2
    assert fused == parts == by_hand


def test_attention_that_torch_fuses_counts_as_much_as_its_parts() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    source = torch.rand(3, 5, 8)
    with torch.no_grad():
        fused = counted(lambda: attention(source, source, source, need_weights=False))
    assert fused == counted(lambda: attention(source, source, source, need_weights=False)) > 0


def test_functional_gradients_count() -> None:
    weight = torch.rand(4, 5)
    product = 2 * 3 * 4 * 5
    assert counted(lambda: torch.func.grad(lambda w: (torch.ones(3, 4) @ w).sum())(weight)) == 2 * product
    assert counted(lambda: torch.vmap(lambda x: x @ weight)(torch.rand(6, 3, 4))) == 6 * product


def _forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
    return sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]


def _backward(slope: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
    return sdpa_backward_flop_count(slope, query, key, value)  # type: ignore[no-untyped-call]


LEFT_OUT = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _backward,
}
"""Operators that torch counts from 2.15 on, with torch's formulas: shapes → operations."""


@pytest.mark.parametrize("backward", [False, True])
def test_a_transformer_counts_as_by_torch_and_keeps_its_bits(
    backbone: Backbone, images: Tensor, *, backward: bool
) -> None:
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), 2, 1, torch.Generator().manual_seed(0))

    def work() -> Tensor:
        features = forward(backbone, images, bank).features
        if backward:
            features.sum().backward()  # type: ignore[no-untyped-call]
        return features.detach()

    with FlopCounterMode(display=False, custom_mapping=LEFT_OUT) as torchs:
        work()
    plain = work()
    with Operations() as ours:
        measured = work()
    assert ours.count == torchs.get_total_flops() > 0
    assert torch.equal(plain, measured)


def test_each_counter_counts_the_operations_inside_of_it() -> None:
    a = torch.rand(2, 2)
    with Operations() as outer:
        a @ a
        with Operations() as inner:
            a @ a
    assert (inner.count, outer.count) == (16, 32)
