"""An efficiency strategy: keep the patches whose keys are longest."""

from dataclasses import dataclass

from freeshot import EfficiencyStrategy, hookimpl


@dataclass(frozen=True)
class Loudest(EfficiencyStrategy):
    """Keep the half of the patches whose keys are longest, in the second layer."""

    name = "loudest"

    def layers(self, depth):
        return (1,)

    def select(self, view):
        length = view.keys.norm(dim=-1).mean(1)[:, 1:]  # [b, t − 1]
        places = length.topk((length.shape[1] + 1) // 2, dim=1).indices.sort(dim=1).values
        return view.kept.gather(1, places)


@hookimpl
def freeshot_efficiency_strategies():
    return [Loudest]
