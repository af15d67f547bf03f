"""Convert the state of an optimisation loop to named tensors and back, bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Generator, Tensor
    from torch.optim import Optimizer


def snapshot(
    step: int, weights: Sequence[Tensor], optimizer: Optimizer, rng: Generator | None = None
) -> dict[str, Tensor]:
    """Copy weights, optimiser moments and the state of the random generator after `step` steps."""
    import torch

    state: dict[str, Tensor] = {"step": torch.tensor(step)}
    for index, weight in enumerate(weights):
        state[f"weight.{index}"] = weight.detach().cpu().clone()
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            state[f"optimizer.{index}.{name}"] = torch.as_tensor(value).detach().cpu().clone()
    if rng is not None:
        state["rng"] = rng.get_state()
    return state


def restore(
    state: Mapping[str, Tensor] | None,
    weights: Sequence[Tensor],
    optimizer: Optimizer,
    rng: Generator | None = None,
) -> int:
    """Restore a snapshot in place and return its step; without a snapshot change nothing and return 0."""
    import torch

    if state is None:
        return 0
    with torch.no_grad():
        for index, weight in enumerate(weights):
            weight.copy_(state[f"weight.{index}"])
    moments: dict[int, dict[str, Any]] = {}
    for name, value in state.items():
        if name.startswith("optimizer."):
            _, index_text, moment = name.split(".", 2)
            moments.setdefault(int(index_text), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    if rng is not None:
        rng.set_state(state["rng"])
    return int(state["step"])
