"""The method: train a transformer to solve surrogate tasks in context, then apply it to episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method, Needs, Workbench
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import CustomHeadLearner
from freeshot_baselines.training_loop import counted, descend

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot_baselines.caml.feature_tasks import FeatureTasks
    from freeshot_baselines.caml.transformer import InContext


@dataclass(frozen=True)
class Caml(Method):
    """Process each query with its support set as one sequence; a transformer over frozen features classifies.

    Re-implementation, data-free: the paper trains on ImageNet and other real images, here tasks are made of surrogates
    of the pool, mixed across LoRAs. Features have length one, labels are fixed equiangular vectors (ELMES), the query
    has a learned 'unknown' vector. The transformer starts from random weights and, like the released one, supports one
    way. The LoRAs are used through the surrogates only.
    """

    name = "caml"
    citation = "Fifty et al., Context-Aware Meta-Learning, ICLR 2024"
    paper_url = "https://arxiv.org/abs/2310.10971"
    code_url = "https://github.com/cfifty/CAML"
    needs = frozenset({Needs.POOL})
    inversion: Choice = Choice("inversion", "lora-inversion")
    """Inversion that synthesises images from a LoRA."""
    strategy: Choice = Choice("strategy", "none")
    """Efficiency strategy in inversion; features are computed with all tokens."""
    per_class: int = 40
    """Images per class of each LoRA."""
    batch: int = 0
    """Images of a LoRA that are inverted at once, with equal numbers per class; 0: all. Saves memory."""
    iterations: int = 10_000
    """Optimiser steps; ours. paper: 100 epochs of real images."""
    tasks: int = 15
    """Tasks per step; ours. code: 525 images."""
    lr: float = 1e-5
    """Learning rate of Adam, decaying to 0 along a cosine. code: 1e-5."""
    label_width: int = 256
    """Width of a label vector, in addition to the features; with 768 features the paper's large encoder has 1,024."""
    depth: int = 24
    """Layers of the transformer. code: those of ViT-Large."""
    heads: int = 16
    """Attention heads. code: those of ViT-Large."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def prepare(self, bench: Workbench) -> Learner:
        """Invert the pool, embed the images once, and train."""
        import torch

        from freeshot_baselines.caml.feature_tasks import feature_tasks
        from freeshot_baselines.caml.transformer import fresh

        bench = bench.with_base(self.base)
        frozen = bench.frozen()
        sets = bench.surrogates(self.inversion, self.strategy, self.per_class, self.batch)
        rng = bench.rng("in-context")
        width = frozen.embed(sets[0].shots.images[:1].to(bench.device)).shape[1]
        network = fresh(width, bench.way, self.label_width, self.depth, self.heads, rng).to(bench.device)

        def make(on_step: Callable[[int, int], None]) -> Mapping[str, Tensor]:
            tasks = feature_tasks(sets, lambda images: frozen.embed(images.to(bench.device)), bench.way, bench.shot)
            shape = (bench.way, bench.shot, bench.query)
            self.train(network, tasks, shape, rng, counted(self.iterations, on_step))
            return network.state_dict()

        options = {k: v for k, v in asdict(self).items() if k not in ("inversion", "strategy", "base")}
        learned = bench.cached_tensors("in-context training", options, make)
        network.load_state_dict({name: torch.as_tensor(value) for name, value in learned.items()})
        return InContextLearner(frozen, network)

    def train(
        self, network: InContext, tasks: FeatureTasks, shape: tuple[int, int, int], rng: Generator, steps: Iterable[int]
    ) -> None:
        """Take Adam steps on the cross-entropy of queries, one sequence per query."""
        import torch
        from torch.nn.functional import cross_entropy

        from freeshot_baselines.caml.transformer import in_context

        way, shot, query = shape
        query = tasks.queries(shot, query)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(self.iterations, 1))
        network.train()
        for step in steps:
            support, queries = tasks.draw(way, shot, query, self.tasks, rng)  # [t, n, d], [t, q, d]
            labels = torch.arange(way, device=queries.device).repeat_interleave(query).repeat(self.tasks)  # [t·q]
            loss = cross_entropy(in_context(network, support, queries, way).flatten(0, 1), labels)
            descend(optimizer, loss, f"'{self.name}'", step)
            schedule.step()
        network.eval()


class InContextLearner(CustomHeadLearner):
    """Frozen features, and a transformer whose input includes class numbers."""

    jackknife = False
    numbered = True

    def __init__(self, features: Learner, network: InContext) -> None:
        super().__init__(features)
        self._network = network.eval()

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score each query in the context of its support set."""
        import torch

        from freeshot_baselines.caml.transformer import in_context

        like = self._network.unknown
        with torch.no_grad():
            return in_context(self._network, support.to(like), query.to(like), way).cpu()
