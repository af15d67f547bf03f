"""Base class of learned mixtures: coefficients of frozen LoRAs, tuned on each support set by gradients."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from freeshot import Learner, Method, Needs
from freeshot_baselines.adaptation.batched_adam import adam, episodes_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from freeshot import LoraPool, Predictor, Workbench
    from freeshot.engine import EpisodeBackbone
    from freeshot_baselines.composition.lora_mixture import Stack


@dataclass(frozen=True)
class Mixture(Method):
    """Tune the coefficients of the pool's LoRAs on each support set; classify by the nearest class mean."""

    needs = frozenset({Needs.POOL})
    unit: ClassVar[bool] = False
    """True if LoRAs are normalised to unit length."""
    per: Literal["lora", "layer"] = "lora"
    """One coefficient for each LoRA, or for each LoRA and slot."""
    lr: float = 0.1
    """Learning rate of Adam; ours."""
    steps: int = 20
    """Steps on each support set; ours."""

    @abstractmethod
    def start(self, loras: int) -> float:
        """Return the initial value of every coefficient's parameter."""

    @abstractmethod
    def weights(self, parameters: Tensor) -> Tensor:
        """Convert parameters [e, l] or [e, l, s] to coefficients of that shape."""

    def prepare(self, bench: Workbench) -> Learner:
        """Stack the LoRAs; all tuning happens per episode."""
        from freeshot.engine import EpisodeBackbone

        trunk = EpisodeBackbone.of(bench.backbone())
        together = episodes_together(bench, copies=2 if bench.shot == 1 else 1)
        return MixtureLearner(trunk, stacked(trunk, bench.pool(), unit=self.unit), self, together)


class MixtureLearner(Learner):
    """Tune coefficients for each episode separately, and embed with the resulting LoRA."""

    def __init__(self, trunk: EpisodeBackbone, stack: Stack, method: Mixture, together: int) -> None:
        self._trunk, self._stack, self._method = trunk, stack, method
        self.together = together

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune the coefficients of e episodes by gradient steps."""
        import torch
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import nearest_mean
        from freeshot_baselines.adaptation.support_loss import support_losses

        trunk, stack, method = self._trunk, self._stack, self._method
        shape = [len(support), stack.loras, *([len(stack.slots)] if method.per == "layer" else [])]
        parameters = Parameter(torch.full(shape, method.start(stack.loras)).to(trunk.like))

        self.tuned = parameters[0].numel()

        def losses() -> Tensor:
            mixed = stack.mixed(method.weights(parameters))
            return support_losses(lambda images: trunk.features(images, mixed), support, way, rngs)

        for _ in adam([parameters], method.lr, (method.steps,), losses):
            pass
        mixed = stack.mixed(method.weights(parameters).detach())
        shown = trunk.features_without_gradient(support, mixed)
        return lambda images: nearest_mean(trunk.features_without_gradient(images, mixed), shown, way)


def stacked(trunk: EpisodeBackbone, pool: LoraPool, *, unit: bool = False) -> Stack:
    """Stack a pool's LoRAs for a trunk."""
    from freeshot_baselines.composition.lora_mixture import Stack

    return Stack.of(pool.entries, trunk.like, unit=unit)
