"""P>M>F's fine-tuning at test: a prototype network tuned on augmented copies of the support set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Choice, Learner, Method, Needs, Predictor, Workbench
from freeshot_baselines.adaptation.batched_adam import adam, freeze_for_episodes
from freeshot_baselines.adaptation.grid_search import choose_tuned
from freeshot_baselines.base_method import no_base, require_exclusive

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import EpisodeBackbone


@dataclass(frozen=True)
class Rate:
    """The setting that P>M>F selects on a few labelled episodes."""

    lr: float

    def __str__(self) -> str:
        return f"lr {self.lr:g}"


@dataclass(frozen=True)
class Pmf(Method):
    """Tune a prototype network on augmented copies of the support set; classify by cosine to class means.

    Re-implementation of the last stage of P>M>F. Class means are computed from the original support set, and the loss
    is that of classifying augmented copies by them. The paper tunes the whole backbone; ours is frozen and a LoRA is
    tuned. The paper first meta-trains on real data; here that stage is omitted, or taken from the ceiling `real-data`
    with `start=real-data`. The scale of the cosine, which meta-training would learn, keeps the paper's initial value.
    """

    name = "pmf"
    citation = "Hu et al., Pushing the Limits of Simple Pipelines for Few-Shot Learning (P>M>F), CVPR 2022"
    paper_url = "https://arxiv.org/abs/2204.07305"
    code_url = "https://github.com/hushell/pmf_cvpr22"
    needs = frozenset({Needs.VALIDATION, Needs.BASE_IMAGES})
    start: Literal["zero", "real-data"] = "zero"
    """'zero': the pre-trained backbone; 'real-data': a LoRA meta-trained on real base images."""
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner of `start=real-data`; not used otherwise."""
    rank: int = 4
    """Rank of the LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that the LoRA modifies, of q, k, v, proj, fc1 and fc2. paper: all weights."""
    lrs: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2)
    """Learning rates of Adam to try. paper: these."""
    steps: int = 50
    """Steps on each support set. paper: 50."""
    scale: float = 10.0
    """Factor on the cosine. paper: 10 at first, learned in meta-training."""
    probability: float = 0.9
    """Probability of augmenting an image of a copy. paper: 0.9."""
    trials: int = 30
    """Validation tasks on which the rates are evaluated. paper: 5 labelled episodes of the test domain."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_exclusive(self.start, self.base)

    def prepare(self, bench: Workbench) -> Learner:
        """Select the rate, once for all tracks with the same pool and shots."""
        bench = bench.with_base(self.base)
        backbone, episodes_per_batch = freeze_for_episodes(bench, copies=2)
        adapter = self._meta_trained(bench)
        recipe: dict[str, object] = {"method": self.name, "lrs": self.lrs, "steps": self.steps, "scale": self.scale}
        recipe |= {"rank": self.rank, "targets": self.targets, "probability": self.probability, "start": self.start}
        if adapter is not None:
            recipe["adapter"] = _digest(adapter)
        candidates = [PmfLearner(backbone, self, adapter, lr, episodes_per_batch) for lr in self.lrs]
        setting = choose_tuned(bench, Rate, recipe, self.trials, candidates)
        return PmfLearner(backbone, self, adapter, setting.lr, episodes_per_batch)

    def _meta_trained(self, bench: Workbench) -> Adapter | None:
        if self.start == "zero":
            return None
        return bench.meta_learn(self.learner, bench.base_tasks(flip=True), self.rank, self.targets)


class PmfLearner(Learner):
    """Initialise a LoRA for each episode and tune them in parallel."""

    def __init__(
        self, backbone: EpisodeBackbone, method: Pmf, adapter: Adapter | None, lr: float, episodes_per_batch: int
    ) -> None:
        self._backbone, self._method, self._adapter, self._lr = backbone, method, adapter, lr
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune a bank of LoRAs, one per episode."""
        *_, (_, predict) = self.tune(support, way, rngs)
        return predict

    def tune(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Iterator[tuple[Rate, Predictor]]:
        """Yield the tuned classifiers after the last step."""
        import torch

        from freeshot_baselines.adaptation.augmentation import augmented
        from freeshot_baselines.adaptation.heads import cosine_logits, episode_losses, labels_of
        from freeshot_baselines.adaptation.lora_init import initial_loras

        backbone, method, labels = self._backbone, self._method, labels_of(support, way)
        bank = initial_loras(backbone, self._adapter, method.targets, method.rank, rngs)

        def losses() -> Tensor:
            both = torch.cat([support, augmented(support, rngs, method.probability)], dim=1)  # [e, 2n, …]
            originals, copies = backbone.features(both, bank).chunk(2, dim=1)
            return episode_losses(cosine_logits(copies, originals, way, method.scale), labels)

        def predict(images: Tensor) -> Tensor:
            support_features, features = (backbone.features_without_gradient(part, bank) for part in (support, images))
            return cosine_logits(features, support_features, way, method.scale)

        parameters, steps = list(bank.parameters()), 0
        if self._lr:  # at rate 0 steps change nothing
            steps, self.tuned_parameters = method.steps, sum(p.numel() for p in parameters) // len(support)
        for _ in adam(parameters, self._lr, (steps,), losses):
            yield Rate(self._lr), predict


def _digest(adapter: Adapter) -> str:
    """Hash an adapter's tensors."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(adapter.tensors.items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
