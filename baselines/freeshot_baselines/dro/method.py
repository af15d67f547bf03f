"""The method: fit a hypernetwork to the pool's weights under worst-case embeddings; generate one LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Learner, LoraEntry, Method, Needs, Workbench
from freeshot.basics.errors import OptionError
from freeshot_baselines.training_loop import counted, descend

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot_baselines.dro.factor_chunks import Chunks
    from freeshot_baselines.dro.hypernetwork import Hypernetwork


@dataclass(frozen=True)
class Dro(Method):
    """Fit a hypernetwork to the LoRAs' weights, robust to shifts of task embeddings; embed with the LoRA it generates.

    Re-implementation for a pool of LoRAs on a frozen ViT from the paper's abstract; code and sizes were not available,
    so all values are ours. The paper samples an initialisation and fine-tunes it; here the weights at the robust
    embedding are the meta-LoRA and nothing is tuned at test. Since (A, B) is not unique, LoRAs are converted to the
    unique form of the singular value decomposition of B·A.
    """

    name = "dro"
    citation = "Wang et al., Meta-Learning without Data via Wasserstein Distributionally-Robust Model Fusion, UAI 2022"
    needs = frozenset({Needs.POOL})
    steps: int = 500
    """Adam steps of the hypernetwork's fit."""
    lr: float = 3e-3
    """Learning rate."""
    embedding: int = 16
    """Width of a task embedding."""
    hidden: int = 64
    """Width of the hypernetwork."""
    radius: float = 0.3
    """Radius of the Wasserstein ball, in units of the embeddings' root mean square norm; 0: no robustness."""
    ascent: int = 2
    """Gradient ascent steps towards the worst case, at each step of the fit."""
    compare: Literal["factors", "product"] = "product"
    """Compare LoRAs by their updates B·A, or by their canonical factors, which are hardly comparable between LoRAs with
    different initialisations."""
    search: int = 100
    """Steps of the search for the robust embedding, whose weights are closest to those of all tasks in the worst case;
    0 uses the mean embedding."""

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise OptionError(f"Option 'radius' of 'dro' must not be negative, but is {self.radius}.")

    def prepare(self, bench: Workbench) -> Learner:
        """Fit and generate, or load the cached LoRA; embed with it."""

        def make(on_step: Callable[[int, int], None]) -> Mapping[str, Tensor]:
            return self.compose(bench.pool().entries, bench.rng("hypernetwork"), on_step).tensors

        return bench.adapted(Adapter(bench.cached_tensors("model fusion", asdict(self), make), {}))

    def compose(
        self, entries: tuple[LoraEntry, ...], rng: Generator, on_step: Callable[[int, int], None] | None = None
    ) -> Adapter:
        """Return the LoRA at the robust embedding; `on_step(done, total)` reports the steps of the fit."""
        import torch

        from freeshot.engine import adapter_of
        from freeshot_baselines.dro.factor_chunks import chunks_of

        chunks = chunks_of(entries)
        network, loss = self.fitted(chunks, rng, on_step)
        embedding = self.robust_embedding(network, chunks, rng)
        with torch.no_grad():
            factors = chunks.factors(network(embedding)[0])
        return adapter_of({slot: (a.float(), b.float()) for slot, (a, b) in factors.items()}, {"worst_loss": loss})

    def fitted(
        self, chunks: Chunks, rng: Generator, on_step: Callable[[int, int], None] | None = None
    ) -> tuple[Hypernetwork, float]:
        """Return the hypernetwork with its embeddings, and its loss in the last worst case."""
        import torch

        from freeshot_baselines.dro.hypernetwork import Hypernetwork, standardized, start_moves, worst_moves

        network = Hypernetwork(chunks.values, self.embedding, self.hidden, rng)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        loss = torch.zeros(())
        for step in counted(self.steps, on_step):
            tasks = network.tasks

            def misfit(moves: Tensor, tasks: Tensor = tasks) -> Tensor:
                return self.distance(network(tasks + moves), chunks.values, chunks).mean()

            start = start_moves(tuple(tasks.shape), self.radius, rng, tasks)
            loss = misfit(worst_moves(misfit, start, self.radius, self.ascent))
            descend(optimizer, loss, "'dro'", step)
            with torch.no_grad():
                tasks.copy_(standardized(tasks))
        return network.requires_grad_(False), round(float(loss.detach()), 4)

    def robust_embedding(self, network: Hypernetwork, chunks: Chunks, rng: Generator) -> Tensor:
        """Return the embedding [1, e] whose weights are closest to those of all tasks in their worst case."""
        import torch

        from freeshot_baselines.dro.hypernetwork import start_moves, worst_moves

        tasks = network.tasks
        embedding = tasks.mean(0, keepdim=True).clone().requires_grad_()
        optimizer = torch.optim.Adam([embedding], lr=0.05)
        moves = start_moves(tuple(tasks.shape), self.radius, rng, tasks)
        for _ in range(self.search):
            distance_to = partial(self._away, network, chunks)
            moves = worst_moves(partial(distance_to, embedding.detach()), moves, self.radius, self.ascent)
            optimizer.zero_grad()
            distance_to(embedding, moves).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return embedding.detach()

    def distance(self, first: Tensor, second: Tensor, chunks: Chunks) -> Tensor:
        """Return the distance of LoRAs [l]."""
        from freeshot_baselines.dro.factor_chunks import factor_distance, product_distance

        return (factor_distance if self.compare == "factors" else product_distance)(first, second, chunks)

    def _away(self, network: Hypernetwork, chunks: Chunks, embedding: Tensor, moves: Tensor) -> Tensor:
        moved_weights: Tensor = network(network.tasks + moves)
        return self.distance(network(embedding).expand_as(moved_weights), moved_weights, chunks).mean()
