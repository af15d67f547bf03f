"""The method: learn the relation of task vectors and LoRAs, and generate a LoRA for each support set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from freeshot import Adapter, Choice, Learner, Method, Needs, Predictor, Shots, Workbench
from freeshot.basics.errors import PoolError
from freeshot_baselines.training_loop import counted, descend

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot_baselines.icm_lora.autoencoder import Cvae
    from freeshot_baselines.icm_lora.lora_space import LoraSpace


@dataclass(frozen=True)
class IcmLora(Method):
    """Generate a LoRA for each support set from its mean feature, by an autoencoder of the pool's LoRAs.

    Re-implementation for vision and few LoRAs. The paper learns from hundreds of checkpoints of one LoRA by a 12-layer
    convolution over raw weights; a pool has one state of each LoRA, so weights are first converted to a canonical form
    (SVD of B·A, signs fixed) and to as many principal components as there are LoRAs, for which a small network is
    sufficient. A LoRA's task vector is the mean frozen feature of its surrogates, of as many as a support set has,
    drawn again in each step: no data. At test the condition is the mean feature of the support set and the latent is
    zero; one pass through the decoder gives the LoRA, nothing is optimised, and nearest class means classify.
    """

    name = "icm-lora"
    citation = "ICM-LoRA, IJCAI 2025 (2501.17635)"
    paper_url = "https://arxiv.org/abs/2501.17635"
    code_url = "https://github.com/YihuaJerry/ICM-LoRA"
    needs = frozenset({Needs.POOL})
    inversion: Choice = Choice("inversion", "lora-inversion")
    """Inversion that synthesises images from a LoRA."""
    strategy: Choice = Choice("strategy", "none")
    """Efficiency strategy in inversion; features are computed with all tokens."""
    per_class: int = 40
    """Images per class of each LoRA."""
    batch: int = 0
    """Images of a LoRA that are inverted at once, with equal numbers per class; 0: all. Saves memory."""
    iterations: int = 2000
    """Optimiser steps, each over all LoRAs; ours."""
    lr: float = 1e-3
    """Learning rate of Adam; ours."""
    latent: int = 256
    """Width of the latent. paper: 256."""
    hidden: int = 256
    """Width of the hidden layers; ours."""
    kl: float = 0.005
    """Weight of the KL divergence. paper: 0.005."""
    reach: float = 0.0
    """Clipping of standardised conditions, in deviations from the surrogates' mean; ours. 0: no clipping."""

    def prepare(self, bench: Workbench) -> Learner:
        """Invert the pool, and train the autoencoder on the pool's LoRAs."""
        import torch

        from freeshot_baselines.icm_lora.autoencoder import fresh
        from freeshot_baselines.icm_lora.lora_space import lora_space

        frozen, rng = bench.frozen(), bench.rng("autoencoder")
        sets = bench.surrogates(self.inversion, self.strategy, self.per_class, self.batch)
        space = lora_space(bench.pool().entries)
        if not space.coordinates.numel():
            raise PoolError("The pool's LoRAs are all equal, which leaves nothing to generate. Choose another pool.")
        with torch.no_grad():
            features = [frozen.embed(s.shots.images.to(bench.device)).cpu() for s in sets]
        network = fresh(space.coordinates.shape[1], features[0].shape[1], self.latent, self.hidden, rng, self.reach)

        def make(on_step: Callable[[int, int], None]) -> Mapping[str, Tensor]:
            steps = counted(self.iterations, on_step)
            self.train(network, space.coordinates.float(), features, bench.way * bench.shot, rng, steps)
            return network.state_dict()

        options = {k: v for k, v in asdict(self).items() if k not in ("inversion", "strategy")}
        network.load_state_dict(dict(bench.cached_tensors("autoencoder training", options, make)))
        return GeneratingLearner(frozen, network.eval(), space, bench.adapted)

    def train(
        self, network: Cvae, loras: Tensor, features: Sequence[Tensor], size: int, rng: Generator, steps: Iterable[int]
    ) -> None:
        """Take Adam steps over LoRAs [l, m] with conditions from `size` of each one's image features [n, d]."""
        import torch

        from freeshot_baselines.icm_lora.autoencoder import bound

        network.standardise(torch.stack([_mean(rows, size, rng) for _ in range(16) for rows in features]))
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        for step in steps:
            conditions = torch.stack([_mean(rows, size, rng) for rows in features])  # [l, d]
            descend(optimizer, bound(network, loras, conditions, self.kl, rng), f"'{self.name}'", step)


class GeneratingLearner(Learner):
    """A generated LoRA for each support set, by one pass through the decoder."""

    generates_weights = True

    def __init__(self, frozen: Learner, network: Cvae, space: LoraSpace, adapted: Callable[[Adapter], Learner]) -> None:
        self._frozen, self._network, self._space, self._adapted = frozen, network, space, adapted

    def adapter(self, support: Tensor) -> Adapter:
        """Generate the LoRA for support images [n, 3, h, w]."""
        import torch

        from freeshot.engine import adapter_of

        with torch.no_grad():
            condition = self._frozen.embed(support).mean(0, keepdim=True).cpu()
            coordinates = self._network.decode(condition.new_zeros(1, self._network.latent), condition)
        return adapter_of(self._space.lora(coordinates[0]))

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Generate the LoRA, and classify by the nearest class mean; deterministic and without tuning."""
        import torch

        from freeshot.ops.prototypes import prototype_logits

        learner = self._adapted(self.adapter(support.images))
        with torch.no_grad():
            features = learner.embed(support.images)  # [n, d]

        def predict(images: Tensor) -> Tensor:
            return prototype_logits(learner.embed(images), features, support.labels, way, "euclidean")

        return predict


def _mean(rows: Tensor, size: int, rng: Generator) -> Tensor:
    """Return the mean of `size` of the rows [n, d], drawn without replacement if there are enough: [d]."""
    import torch

    return rows[torch.randperm(len(rows), generator=rng)[:size]].mean(0)
