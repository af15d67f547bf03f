"""Learned mixtures: coefficients of frozen LoRAs, tuned on each support set by gradients.

Axes: e episodes, l LoRAs, s slots.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from freeshot import Learner, Method, Needs, Predictor, Workbench
from freeshot_baselines.adaptation.batched_adam import adam, freeze_for_episodes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import EpisodeBackbone
    from freeshot_baselines.composition.lora_mixture import LoraStack


@dataclass(frozen=True)
class LearnedMixture(Method):
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
        from freeshot_baselines.composition.lora_mixture import LoraStack

        backbone, episodes_per_batch = freeze_for_episodes(bench, copies=2 if bench.shot == 1 else 1)
        stack = LoraStack.of(bench.pool().entries, backbone.like, unit=self.unit)
        return MixtureLearner(backbone, stack, self, episodes_per_batch)


@dataclass(frozen=True)
class Composition(LearnedMixture):
    """Learn coefficients of the pool's LoRAs for each episode, starting from equal ones.

    Re-implementation of learned composition for episodes: the paper tunes a head together with the coefficients on each
    task; here the nearest class mean is the head, and the coefficients are tuned to separate support images by class
    means computed without them (with one shot: to match augmented copies to their images). With zero steps it equals
    `lora-average`. Rate and number of steps are ours.
    """

    name = "composition"
    citation = (
        "Asadi et al., Does Combining Parameter-efficient Modules Improve Few-shot Transfer Accuracy?, 2402.15414"
    )
    paper_url = "https://arxiv.org/abs/2402.15414"
    form: Literal["softmax", "free"] = "softmax"
    """'softmax': coefficients are positive and sum to one; 'free': unconstrained, 1/l at first."""

    def start(self, loras: int) -> float:
        """Return the initial parameter of uniform coefficients."""
        return 0.0 if self.form == "softmax" else 1 / loras

    def weights(self, parameters: Tensor) -> Tensor:
        """Return the coefficients of the LoRAs."""
        return parameters.softmax(1) if self.form == "softmax" else parameters


@dataclass(frozen=True)
class SdLora(LearnedMixture):
    """Freeze the directions B·A/(‖B‖·‖A‖) of the pool's LoRAs and learn their magnitudes on every support set.

    Re-implementation without the paper's setting, in which tasks arrive in sequence and each adds a direction: here the
    whole pool is available and no direction is added. Magnitudes are tuned to separate support images by class means
    computed without them. The paper's code loses earlier directions in evaluation; here all are used.
    """

    name = "sd-lora"
    citation = "Wu et al., SD-LoRA: Scalable Decoupled Low-Rank Adaptation for Class Incremental Learning, ICLR 2025"
    paper_url = "https://arxiv.org/abs/2501.13198"
    code_url = "https://github.com/WuYichen-97/SD-Lora-CL"
    unit: ClassVar[bool] = True
    per: Literal["lora", "layer"] = "layer"
    """One magnitude for each LoRA, or for each LoRA and slot. paper: per layer."""
    magnitude: float = 0.8
    """Initial magnitude. paper: 0.8; 0 starts at the backbone."""

    def start(self, loras: int) -> float:
        """Return the initial magnitude."""
        return self.magnitude

    def weights(self, parameters: Tensor) -> Tensor:
        """Return the parameters, which are the magnitudes."""
        return parameters


class MixtureLearner(Learner):
    """Tune coefficients for each episode separately, and embed with the resulting LoRA."""

    def __init__(
        self, backbone: EpisodeBackbone, stack: LoraStack, method: LearnedMixture, episodes_per_batch: int
    ) -> None:
        self._backbone, self._stack, self._method = backbone, stack, method
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune the coefficients of e episodes by gradient steps."""
        import torch
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import prototype_predictor
        from freeshot_baselines.adaptation.support_loss import support_losses

        backbone, stack, method = self._backbone, self._stack, self._method
        shape = [len(support), stack.loras, *([len(stack.slots)] if method.per == "layer" else [])]
        parameters = Parameter(torch.full(shape, method.start(stack.loras)).to(backbone.like))  # [e, l] or [e, l, s]
        self.tuned_parameters = parameters[0].numel()

        def losses() -> Tensor:
            mixed = stack.mixed(method.weights(parameters))
            return support_losses(lambda images: backbone.features(images, mixed), support, way, rngs)

        for _ in adam([parameters], method.lr, (method.steps,), losses):
            pass
        mixed = stack.mixed(method.weights(parameters).detach())
        return prototype_predictor(lambda images: backbone.features_without_gradient(images, mixed), support, way)
