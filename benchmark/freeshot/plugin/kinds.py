"""The kinds of components with their hooks and interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.dataset import FewShotDataset
from freeshot.contracts.efficiency import EfficiencyStrategy
from freeshot.contracts.inversion import InversionMethod
from freeshot.contracts.launcher import Launcher
from freeshot.contracts.meta_learner import MetaLearner
from freeshot.contracts.method import Method

if TYPE_CHECKING:
    from freeshot.contracts.component import Component


@dataclass(frozen=True)
class Kind:
    """One kind of component."""

    name: str
    plural: str
    hook: str
    interface: type[Component]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("method", "methods", "freeshot_methods", Method),
        Kind("inversion", "inversions", "freeshot_inversion_methods", InversionMethod),
        Kind("efficiency", "strategies", "freeshot_efficiency_strategies", EfficiencyStrategy),
        Kind("meta-learner", "meta-learners", "freeshot_meta_learners", MetaLearner),
        Kind("backbone", "backbones", "freeshot_backbones", BackboneProvider),
        Kind("dataset", "datasets", "freeshot_datasets", FewShotDataset),
        Kind("launcher", "launchers", "freeshot_launchers", Launcher),
    )
}
"""By name, in the order of `freeshot list`."""
