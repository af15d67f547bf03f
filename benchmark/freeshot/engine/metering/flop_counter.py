"""Counts executed floating-point operations: two for each multiply-add."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def _added_product(_added: Tensor, left: Tensor, right: Tensor, *_: Any, **__: Any) -> int:
    """Count a product […, n, k] @ […, k, m]."""
    return 2 * left.numel() * right.shape[-1]


def _linear(inputs: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    """Count a product […, i] @ [o, i]ᵀ."""
    return 2 * inputs.numel() * weight.shape[0]


def _onednn_costs() -> Mapping[Any, Callable[..., int]]:
    """Return the cost of the product that frozen layers use, if this torch has it."""
    has_product = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return {torch.ops.mkldnn._linear_pointwise: _linear} if has_product else {}  # noqa: SLF001


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Count scores and weighted values: query [b, h, n, d], key [b, h, m, d], value [b, h, m, e]."""
    scores = query.shape[:-1].numel() * key.shape[-2]
    return 2 * scores * (key.shape[-1] + value.shape[-1])


def _attention_backward(_slope: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Count the scores again, and the gradients of scores, values, queries and keys."""
    scores = query.shape[:-1].numel() * key.shape[-2]
    return 2 * scores * (3 * key.shape[-1] + 2 * value.shape[-1])


def _whole_attention(query: Tensor, key: Tensor, _value: Tensor, width: int, *_: Any, **__: Any) -> int:
    """Count four projections and the two products of attention: query [b, n, d], key and value [b, m, d]."""
    (b, n, _d), m = query.shape, key.shape[1]
    return 2 * b * width * (2 * n * width + 2 * m * width + 2 * n * m)


def _encoder_layer(source: Tensor, width: int, *rest: Any, **_: Any) -> int:
    """Count attention and the two MLP products; the first MLP weight is the 13th of torch's remaining arguments."""
    hidden = rest[12].shape[0]  # [h, d]
    return _whole_attention(source, source, source, width) + 2 * 2 * source.numel() * int(hidden)


def _by_shapes(cost: Callable[..., int]) -> Callable[..., int]:
    """Return torch's formula without its wrapper, which walks through nested arguments."""
    formula = getattr(cost, "__wrapped__", None)
    if formula is None:  # it takes the tensors
        return cost

    def counted(*args: Any, out_val: Any, **kwargs: Any) -> int:
        out = tuple(map(_shape, out_val)) if isinstance(out_val, (tuple, list)) else _shape(out_val)
        named = {name: _shape(value) for name, value in kwargs.items()}
        return int(formula(*map(_shape, args), out_shape=out, **named))

    return counted


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, Tensor) else value


COSTS: Mapping[Any, Callable[..., int]] = {
    # torch before 2.15 does not register fused CPU attention
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001 - their only names
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001
    # fused `nn.TransformerEncoder` layers without gradient, which torch does not register
    torch.ops.aten._native_multi_head_attention: _whole_attention,  # noqa: SLF001
    torch.ops.aten._transformer_encoder_layer_fwd: _encoder_layer,  # noqa: SLF001
    **{operation: _by_shapes(cost) for operation, cost in flop_registry.items()},
    # torch's own formulas of these call the wrapped ones
    torch.ops.aten.addmm: _added_product,
    torch.ops.aten.baddbmm: _added_product,
    **_onednn_costs(),
}
"""Cost function of each operation, by its torch name."""


_WHOLE: set[Any] = set()
"""Operations that do not decompose into others, as far as any counter met them."""


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts matrix products, convolutions and attention, forward and backward, as torch's own counter does.

    Unlike `torch.utils.flop_counter.FlopCounterMode` it does not track modules, so small networks run at full speed.
    Work outside torch or in other processes is not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0
        self.gradients: int = 0
        """Operations of any kind that ran inside a backward pass."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and count it if it has a cost function."""
        kwargs = kwargs or {}
        self.gradients += torch._C._current_graph_task_id() >= 0  # noqa: SLF001 - the only sign of a backward pass
        cost = COSTS.get(func._overloadpacket)  # noqa: SLF001 - torch's own key
        if cost is None and func not in _WHOLE:
            with self:  # under inference_mode a linear layer arrives undecomposed, and its product is inside
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            _WHOLE.add(func)
        result = func(*args, **kwargs)
        if cost is not None:
            self.count += cost(*args, **kwargs, out_val=result)
        return result
