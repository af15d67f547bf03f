"""Floating-point operations of whatever is computed, counted while it is: two for each multiply-add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts matrix products, convolutions and attention, forward and backward, as torch's own counter does.

    In contrast to `torch.utils.flop_counter.FlopCounterMode` it asks no module where an operation comes from: a
    small network's steps stay as fast as they were. What does not pass through torch, or runs in another process,
    is not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0
        self._whole: set[Any] = set()
        """Operations that are no composition of others, so that it is asked once of each."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and count it if it is one that counts."""
        kwargs = kwargs or {}
        cost: Callable[..., int] | None = flop_registry.get(func._overloadpacket)  # noqa: SLF001 - torch's own key
        if cost is None and func not in self._whole:
            with self:  # under inference_mode a linear layer arrives whole, and its product lies within
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            self._whole.add(func)
        result = func(*args, **kwargs)
        if cost is not None:
            self.count += cost(*args, **kwargs, out_val=result)
        return result
