"""The baselines that LoRA Recycle is compared with, each in a file or folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from freeshot import InversionMethod, MetaLearner, Method, hookimpl

if TYPE_CHECKING:
    from freeshot.engine import LoraBank


@hookimpl
def freeshot_methods() -> Iterable[type[Method]]:
    """Register the baselines and the controls."""
    from freeshot_baselines.adaptation.lora_finetuning import LoraFinetuning
    from freeshot_baselines.adaptation.pmf import Pmf
    from freeshot_baselines.adaptation.register_prompt import RegisterPrompt
    from freeshot_baselines.bidf_mkd import BidfMkd
    from freeshot_baselines.caml.method import Caml
    from freeshot_baselines.composition.averages import LoraAverage, LoraFair
    from freeshot_baselines.composition.dual_lora import DualLora
    from freeshot_baselines.composition.learned_mixtures import Composition, SdLora
    from freeshot_baselines.composition.lorahub import LoraHub
    from freeshot_baselines.composition.merging import Dare, Ties
    from freeshot_baselines.composition.mole import Mole
    from freeshot_baselines.composition.recycled_average import RecycledAverage
    from freeshot_baselines.controls import Noise, RandomLora, RealData, ShuffledLabels
    from freeshot_baselines.dro.method import Dro
    from freeshot_baselines.free.method import Free
    from freeshot_baselines.frozen_prototype import FrozenPrototype
    from freeshot_baselines.full_finetuning import FullFinetuning
    from freeshot_baselines.heads.linear_probe import LinearProbe
    from freeshot_baselines.heads.nearest_neighbours import Knn, Rtd
    from freeshot_baselines.icm_lora.method import IcmLora
    from freeshot_baselines.lte import LteMethod
    from freeshot_baselines.purer.method import Purer
    from freeshot_baselines.rec_lora.method import RecLora
    from freeshot_baselines.sora.method import SoraMethod
    from freeshot_baselines.teapot.method import Teapot

    return [
        *(Free, FrozenPrototype, FullFinetuning, Noise, RealData),
        *(BidfMkd, Dro, Purer, Teapot),
        *(Dare, LoraAverage, LoraFair, RandomLora, RecycledAverage, Ties),
        *(Knn, LinearProbe, Rtd),
        *(LoraFinetuning, Pmf, RegisterPrompt),
        *(Composition, LoraHub, Mole, SdLora),
        *(Caml, DualLora, IcmLora, LteMethod, RecLora, SoraMethod, ShuffledLabels),
    ]


@hookimpl
def freeshot_inversion_methods() -> Iterable[type[InversionMethod]]:
    """Register FREE's generator, the noise floor's inversion, and those of other papers."""
    from freeshot_baselines.controls import GaussianNoise
    from freeshot_baselines.free.meta_generator import MetaGenerator
    from freeshot_baselines.inversions.cmi import Cmi
    from freeshot_baselines.inversions.deep_inversion import DeepInversion
    from freeshot_baselines.inversions.mask_and_predict import MaskAndPredict
    from freeshot_baselines.inversions.zeroth_order import ZerothOrder

    return [MetaGenerator, GaussianNoise, Cmi, DeepInversion, MaskAndPredict, ZerothOrder]


@hookimpl
def freeshot_meta_learners() -> Iterable[type[MetaLearner]]:
    """Register the meta-learners of FREE, TEAPOT and BiDf-MKD, and generic ones."""
    from freeshot_baselines.bidf_mkd import TwoLevelDistillation
    from freeshot_baselines.free.method import Bell
    from freeshot_baselines.lte import Lte
    from freeshot_baselines.meta_learners.evolution import Evolution
    from freeshot_baselines.meta_learners.lora_ml import LoraMl
    from freeshot_baselines.meta_learners.maml import Anil, Maml
    from freeshot_baselines.meta_learners.reptile import Reptile
    from freeshot_baselines.sora.method import Sora
    from freeshot_baselines.teapot.method import TaskMemory

    return [*(Bell, TaskMemory, TwoLevelDistillation), *(Anil, Evolution, LoraMl, Lte, Maml, Reptile, Sora)]


@hookimpl
def freeshot_lora_penalties() -> Iterable[tuple[str, Callable[..., LoraBank]]]:
    """Register SoRA's gates for the LoRAs of new pools."""
    from freeshot_baselines.sora.gates import gated_bank

    return [("sora", gated_bank)]
