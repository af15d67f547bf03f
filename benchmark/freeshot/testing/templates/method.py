"""A new method: a row of the leaderboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Learner, Method, Workbench, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Mine(Method):
    """Embed with the frozen network and normalise each feature to length one."""

    name = "mine"
    needs = frozenset()  # resources to request from the workbench: Needs.POOL, …

    def prepare(self, bench: Workbench) -> Learner:
        """Do all work that is allowed before the first episode."""
        return OnTheSphere(bench.frozen())


class OnTheSphere(Learner):
    """Embeds, so it is tuning-free: every test image passes through the network once."""

    # For your own head, also implement `classify(support, query, way)`; set `fits_head = True` if it optimises
    # anything on the support set, and `transductive = True` if a prediction uses the other queries of the episode.

    def __init__(self, inner: Learner) -> None:
        self._inner = inner

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d] of length one."""
        from torch.nn.functional import normalize

        return normalize(self._inner.embed(images), dim=1)


@hookimpl
def freeshot_methods() -> list[type[Method]]:
    """Register it: `--method mine`."""
    return [Mine]
