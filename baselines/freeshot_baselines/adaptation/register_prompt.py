"""Prompt tuning: additional tokens, tuned on the support set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method, Predictor, Workbench
from freeshot_baselines.adaptation.batched_adam import adam, freeze_for_episodes
from freeshot_baselines.base_method import no_base

if TYPE_CHECKING:
    from torch import Generator, Tensor

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
    init_std: float = 0.02
    """Standard deviation of their random initialisation, that of a class token; ours."""
    lr: float = 0.01
    """Learning rate of Adam; ours."""
    steps: int = 20
    """Steps on each support set; ours."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def prepare(self, bench: Workbench) -> Learner:
        """Prepare the network; all tuning happens per episode."""
        backbone, episodes_per_batch = freeze_for_episodes(
            bench.with_base(self.base), copies=2 if bench.shot == 1 else 1
        )
        return RegisterLearner(backbone, self, episodes_per_batch)


class RegisterLearner(Learner):
    """Tune registers for each episode."""

    def __init__(self, backbone: EpisodeBackbone, method: RegisterPrompt, episodes_per_batch: int) -> None:
        self._backbone, self._method = backbone, method
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune the registers of e episodes by gradient steps."""
        import torch
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import prototype_predictor
        from freeshot_baselines.adaptation.support_loss import support_losses

        backbone, method = self._backbone, self._method
        width = backbone.features_without_gradient(support[:1, :1]).shape[-1]
        drawn = torch.stack([torch.randn(method.registers, width, generator=rng) for rng in rngs])
        registers = Parameter((method.init_std * drawn).to(backbone.like))  # [e, p, d]
        self.tuned_parameters = registers[0].numel()

        def losses() -> Tensor:
            return support_losses(lambda x: backbone.features(x, registers=registers), support, way, rngs)

        for _ in adam([registers], method.lr, (method.steps,), losses):
            pass

        return prototype_predictor(
            lambda images: backbone.features_without_gradient(images, registers=registers), support, way
        )
