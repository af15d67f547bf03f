"""Prompt tuning: extra tokens, tuned on the support set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method
from freeshot_baselines.adaptation.steps import adam, episodes_together
from freeshot_baselines.standing import untouched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from freeshot import Predictor, Workbench
    from freeshot.engine import Trunk


@dataclass(frozen=True)
class RegisterPrompt(Method):
    """Tune a few extra tokens, registers, on each support set; classify by the nearest class mean.

    Re-implementation of shallow visual prompt tuning with registers as prompts: tokens that stand behind
    those of an image from the first block on and of which no feature is read. They are tuned so that support
    images are told apart by class means made without them (with one shot: their augmented copies by
    themselves). The idea goes by the name of PerReg; nothing of its equations was at hand, so start, number,
    rate and steps are ours. No LoRA is looked at.
    """

    name = "register-prompt"
    citation = (
        "Jia et al., Visual Prompt Tuning, ECCV 2022; Darcet et al., Vision Transformers Need Registers, ICLR 2024"
    )
    registers: int = 4
    """Extra tokens; ours."""
    spread: float = 0.02
    """Deviation of their random start, that of a class token; ours."""
    lr: float = 0.01
    """Learning rate of Adam; ours."""
    steps: int = 20
    """Steps on each support set; ours."""
    under: Choice = untouched()
    """Method on whose meta-LoRA this one stands, such as lora-recycle; by default the network is as pre-trained."""

    def prepare(self, bench: Workbench) -> Learner:
        """Take the network as it is; nothing is tuned before an episode is seen."""
        from freeshot.engine import Trunk

        together = episodes_together(bench, copies=2 if bench.shot == 1 else 1)
        return RegisterLearner(Trunk.of(bench.on(self.under).backbone()), self, together)


class RegisterLearner(Learner):
    """Tune registers for each episode."""

    def __init__(self, trunk: Trunk, method: RegisterPrompt, together: int) -> None:
        self._trunk, self._method = trunk, method
        self.together = together

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Take gradient steps on the registers of e episodes."""
        import torch
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import nearest_mean
        from freeshot_baselines.adaptation.objective import support_losses

        trunk, method = self._trunk, self._method
        width = trunk.features_without_gradient(support[:1, :1]).shape[-1]
        drawn = torch.stack([torch.randn(method.registers, width, generator=rng) for rng in rngs])
        registers = Parameter((method.spread * drawn).to(trunk.like))  # [e, p, d]
        self.tuned = registers[0].numel()

        def losses() -> Tensor:
            return support_losses(lambda x: trunk.features(x, registers=registers), support, way, rngs)

        for _ in adam([registers], method.lr, (method.steps,), losses):
            pass

        def features(images: Tensor) -> Tensor:
            return trunk.features_without_gradient(images, registers=registers)

        shown = features(support)
        return lambda images: nearest_mean(features(images), shown, way)
