"""What can be evaluated: an adapter on its backbone, a backbone alone, or any function from images to features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from freeshot.basics.errors import ContractError, OptionError
from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.pipeline.resolve import backbone_spec
from freeshot.pool.any_adapter import backbone_of_adapter, open_any_adapter, require_adapter

if TYPE_CHECKING:
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import ComponentSpec

Embedding = Callable[[Tensor], Tensor]
"""Maps images [b, 3, h, w] in 0…1 to features [b, d]."""


class FunctionLearner(Learner):
    """A user's function as a learner."""

    def __init__(self, function: Embedding) -> None:
        self._function = function

    def embed(self, images: Tensor) -> Tensor:
        """Return the function's features [b, d] of images [b, 3, h, w]; ContractError if it returns another type."""
        features = self._function(images)
        if not isinstance(features, Tensor):
            raise ContractError(
                f"The embedding must return a tensor [b, d], but returned {type(features).__name__}. Convert its "
                "result, for example with torch.as_tensor."
            )
        return features


@dataclass(frozen=True, eq=False)
class Target:
    """What is evaluated, opened."""

    name: str
    kind: str
    """'adapter', 'backbone' or 'embedding'."""
    learner: Learner
    backbone: ComponentSpec | None
    """None for a user's function."""


def open_target(target: Path | Adapter | Embedding | None, backbone: str | None, context: RunContext) -> Target:
    """Open the folder of an adapter, an adapter, a function, or, for None, the backbone alone.

    The backbone of an adapter's folder is by default the one that its files name.
    """
    if callable(target):
        if backbone is not None:
            raise OptionError("A function embeds without a backbone. Leave out the backbone, or evaluate that alone.")
        name = str(getattr(target, "__name__", type(target).__name__))
        return Target(name, "embedding", FunctionLearner(target), None)
    if isinstance(target, Path):
        require_adapter(target)
        backbone = backbone or backbone_of_adapter(target, context.catalogue)
    if backbone is None:
        raise OptionError("Nothing to evaluate: give the folder of an adapter, or set --backbone NAME.")
    spec = backbone_spec(context.catalogue, backbone)
    context.component(spec).require_ready()
    opened = context.backbone(spec)
    if target is None:
        return Target(spec.name, "backbone", AdaptedLearner(opened), spec)
    if isinstance(target, Adapter):
        return Target("adapter", "adapter", AdaptedLearner(opened, target), spec)
    return Target(target.resolve().name, "adapter", AdaptedLearner(opened, open_any_adapter(target, opened)), spec)
