"""FreeShot: few-shot learning from a pool of LoRAs, data-free and tuning-free, measured.

Plugins import this facade and, besides it, `freeshot.engine`, `freeshot.ops`, `freeshot.basics`, `freeshot.data` and
`freeshot.testing`; event listeners also `freeshot.contracts.events`, and leaderboard columns `freeshot.records.models`.
Importing it does not import torch.

It is also the Python API, `import freeshot as fs; fs.run("pocket")`; that is in `freeshot.api`, imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import FreeshotError, FreeshotWarning
from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.component import Choice, Component
from freeshot.contracts.dataset import Example, FewShotDataset, Images, RemoteFile
from freeshot.contracts.inversion import InversionMethod, LearnedInversion, Teacher, Teachers, TeacherView
from freeshot.contracts.launcher import Launcher
from freeshot.contracts.leaderboard import Column, Published
from freeshot.contracts.meta_learner import GradientMetaLearner, MetaLearner, Model, TaskStream
from freeshot.contracts.method import Learner, Method, Needs, Oracle, Predictor, Workbench
from freeshot.contracts.pool import LoraEntry, LoraPool, PoolPlan, Slot
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.surrogate_method import InversionBasedMethod, SurrogateMethod
from freeshot.contracts.tensors import (
    Adapter,
    Checkpoint,
    Episode,
    LayerView,
    Shots,
    SurrogateSet,
    Task,
    ValidationEpisode,
)
from freeshot.contracts.tracks import Profile, Row, Suite, Track
from freeshot.plugin import hookimpl
from freeshot.version import __version__

if TYPE_CHECKING:
    from freeshot.api import (
        Results,
        TrainedAdapter,
        evaluate,
        list_backbones,
        list_datasets,
        list_inversions,
        list_launchers,
        list_meta_learners,
        list_methods,
        list_pools,
        list_strategies,
        list_suites,
        list_tracks,
        load_adapter,
        load_pool,
        load_predictions,
        load_results,
        method,
        predict,
        recycle,
        run,
        run_file,
    )

__all__ = [
    "Adapter",
    "BackboneProvider",
    "Checkpoint",
    "Choice",
    "Column",
    "Component",
    "EfficiencyStrategy",
    "Episode",
    "Example",
    "FewShotDataset",
    "FreeshotError",
    "FreeshotWarning",
    "GradientMetaLearner",
    "Images",
    "InversionBasedMethod",
    "InversionMethod",
    "Launcher",
    "LayerView",
    "LearnedInversion",
    "Learner",
    "LoraEntry",
    "LoraPool",
    "MetaLearner",
    "Method",
    "Model",
    "Needs",
    "Oracle",
    "PoolPlan",
    "Predictor",
    "Profile",
    "Published",
    "RemoteFile",
    "Results",
    "Row",
    "Shots",
    "Slot",
    "Suite",
    "SurrogateMethod",
    "SurrogateSet",
    "Task",
    "TaskStream",
    "Teacher",
    "TeacherView",
    "Teachers",
    "Track",
    "TrainedAdapter",
    "ValidationEpisode",
    "Workbench",
    "__version__",
    "evaluate",
    "hookimpl",
    "list_backbones",
    "list_datasets",
    "list_inversions",
    "list_launchers",
    "list_meta_learners",
    "list_methods",
    "list_pools",
    "list_strategies",
    "list_suites",
    "list_tracks",
    "load_adapter",
    "load_pool",
    "load_predictions",
    "load_results",
    "method",
    "predict",
    "recycle",
    "run",
    "run_file",
]

if not TYPE_CHECKING:  # for type checkers, a wrong name is an error

    def __getattr__(name: str) -> Any:
        """Import a name of the API on first use."""
        if name in __all__:
            from freeshot import api

            return getattr(api, name)
        raise AttributeError(f"module 'freeshot' has no attribute '{name}'")

    def __dir__() -> list[str]:
        return [*__all__]
