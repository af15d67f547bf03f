"""Prompt tuning: additional tokens, tuned on the support set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method
from freeshot_baselines.adaptation.batched_adam import adam, episodes_together
from freeshot_baselines.base_method import no_base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from freeshot import Predictor, Workbench
    from freeshot.engine import EpisodeBackbone


@dataclass(frozen=True)
class RegisterPrompt(Method):
    """Tune a few extra tokens, registers, on each support set; classify by the nearest class mean.

    Re-implementation of shallow visual prompt tuning with registers as prompts: tokens appended to those of an image
    before the first block, whose outputs are not used as features. They are tuned to separate support images by class
    means computed without them (with one shot: to match augmented copies to their images). The idea is known as PerReg;
    its equations were not available, so initialisation, number, rate and steps are ours. No LoRA is used.
    """

    name = "register-prompt"
    citation = (
        "Jia et al., Visual Prompt Tuning, ECCV 2022; Darcet et al., Vision Transformers Need Registers, ICLR 2024"
    )
    registers: int = 4
    """Number of extra tokens; ours."""
    spread: float = 0.02
    """Standard deviation of their random initialisation, that of a class token; ours."""
    lr: float = 0.01
    """Learning rate of Adam; ours."""
    steps: int = 20
    """Steps on each support set; ours."""
    under: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def prepare(self, bench: Workbench) -> Learner:
        """Prepare the network; all tuning happens per episode."""
        from freeshot.engine import EpisodeBackbone

        together = episodes_together(bench, copies=2 if bench.shot == 1 else 1)
        return RegisterLearner(EpisodeBackbone.of(bench.on(self.under).backbone()), self, together)


class RegisterLearner(Learner):
    """Tune registers for each episode."""

    def __init__(self, trunk: EpisodeBackbone, method: RegisterPrompt, together: int) -> None:
        self._trunk, self._method = trunk, method
        self.together = together

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune the registers of e episodes by gradient steps."""
        import torch
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import nearest_mean
        from freeshot_baselines.adaptation.support_loss import support_losses

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
