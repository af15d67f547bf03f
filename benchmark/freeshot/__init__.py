"""FreeShot: few-shot learning from a pool of LoRAs, data-free and tuning-free, measured.

Plugins import this facade and, besides it, `freeshot.engine`, `freeshot.ops`, `freeshot.basics`, `freeshot.data` and
`freeshot.testing`; event listeners also `freeshot.contracts.events`, and leaderboard columns `freeshot.records.models`.
Importing it does not import torch.
"""

from __future__ import annotations

from freeshot.basics.errors import FreeshotError
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
    "ValidationEpisode",
    "Workbench",
    "__version__",
    "hookimpl",
]
