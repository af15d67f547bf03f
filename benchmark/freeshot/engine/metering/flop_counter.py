"""Counts executed floating-point operations: two for each multiply-add."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _attention_backward(slope: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(slope.shape, query.shape, key.shape, value.shape))  # type: ignore[no-untyped-call]


def _whole_attention(query: Tensor, key: Tensor, _value: Tensor, width: int, *_: Any, **__: Any) -> int:
    """Count four projections and the two products of attention: query [b, n, d], key and value [b, m, d]."""
    (b, n, _d), m = query.shape, key.shape[1]
    return 2 * b * width * (2 * n * width + 2 * m * width + 2 * n * m)


def _encoder_layer(source: Tensor, width: int, *rest: Any, **_: Any) -> int:
    """Count attention and the two MLP products; the first MLP weight is the 13th of torch's remaining arguments."""
    hidden = rest[12].shape[0]  # [h, d]
    return _whole_attention(source, source, source, width) + 2 * 2 * source.numel() * int(hidden)


COSTS: Mapping[Any, Callable[..., int]] = {
    # torch before 2.15 does not register fused CPU attention
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # noqa: SLF001 - their only names
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,  # noqa: SLF001
    # fused `nn.TransformerEncoder` layers without gradient, which torch does not register
    torch.ops.aten._native_multi_head_attention: _whole_attention,  # noqa: SLF001
    torch.ops.aten._transformer_encoder_layer_fwd: _encoder_layer,  # noqa: SLF001
    **flop_registry,
}
"""Cost function of each operation, by its torch name."""


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
        self._whole: set[Any] = set()
        """Operations that do not decompose into others, cached."""

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
        if cost is None and func not in self._whole:
            with self:  # under inference_mode a linear layer arrives undecomposed, and its product is inside
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            self._whole.add(func)
        result = func(*args, **kwargs)
        if cost is not None:
            self.count += cost(*args, **kwargs, out_val=result)
        return result
