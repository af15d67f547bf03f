"""The steps of a training loop: counted, limited in contract checks, and on finite losses only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from freeshot.basics.errors import DivergedError
from freeshot.basics.step_limit import bounded

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


def counted(steps: int, on_step: Callable[[int, int], None] | None = None) -> Iterator[int]:
    """Yield 0…steps−1, fewer under a step limit, and report each finished step to `on_step(done, total)`."""
    for step in range(bounded(steps)):
        yield step
        if on_step is not None:
            on_step(step + 1, steps)


def descend(optimizer: Optimizer, loss: Tensor, what: str, step: int, option: str = "lr") -> None:
    """Take an optimiser step down a loss; DivergedError names the option to lower if the loss is not finite."""
    if not loss.isfinite():
        raise DivergedError(f"The loss of {what} is {loss.item()} at step {step}. Lower its {option}.")
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
