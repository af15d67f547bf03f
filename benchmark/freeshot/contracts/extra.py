"""Parameters that a meta-learner trains in addition to the LoRA, such as a temperature."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from freeshot.basics.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor
    from torch.nn import Parameter

    from freeshot.contracts.flow import Adapter
    from freeshot.contracts.meta_learner import Model


class Extended:
    """A model with extra parameters; implements `freeshot.Model`."""

    def __init__(self, model: Model, extra: Mapping[str, Parameter]) -> None:
        self._model, self.extra = model, extra
        self.device: torch.device = model.device

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Map images [n, 3, h, w] in 0…1, reduced to the kept patches [n, k], to features [n, d]."""
        return self._model.embed(images, kept)

    def embed_with(self, weights: Sequence[Tensor], images: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed with these tensors instead of `lora()`."""
        return self._model.embed_with(weights, images, kept)

    def lora(self) -> Sequence[Parameter]:
        """Return the LoRA's weights, without the extra parameters."""
        return self._model.lora()

    def snapshot(self) -> Adapter:
        """Copy the LoRA's current weights; scalar extra parameters are stored in its facts, to four digits."""
        adapter = self._model.snapshot()
        numbers = {name: float(f"{value.item():.4g}") for name, value in self.extra.items() if value.numel() == 1}
        return replace(adapter, facts={**adapter.facts, **numbers})


def extended(model: Model, values: Mapping[str, Tensor | float], learner: str) -> Model:
    """Return the model extended by parameters with these start values; the model itself if there are none."""
    return Extended(model, _as_parameters(values, learner, model.device)) if values else model


def learned(model: Model) -> tuple[Parameter, ...]:
    """Return all trained parameters: the LoRA's weights, then the extra parameters."""
    extra: Mapping[str, Parameter] = getattr(model, "extra", {})  # absent if a plugin wraps the model
    return (*model.lora(), *extra.values())


def _as_parameters(values: Mapping[str, Tensor | float], learner: str, device: torch.device) -> dict[str, Parameter]:
    """Copy start values to the device as parameters; ContractError if one is not floating point."""
    import torch
    from torch.nn import Parameter

    tensors = {name: torch.as_tensor(value).detach().clone().to(device) for name, value in values.items()}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ContractError(
                f"The extra parameter '{name}' of meta-learner '{learner}' is {tensor.dtype}. Only floating-point "
                "numbers can be trained. Return 1.0 instead of 1, or tensor.float()."
            )
    return {name: Parameter(tensor) for name, tensor in tensors.items()}
