"""What LoRA Recycle is measured against: one method a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from freeshot import InversionMethod, Method


@hookimpl
def freeshot_methods() -> Iterable[type[Method]]:
    """Offer the baselines and the controls."""
    from freeshot_baselines.frozen_prototype import FrozenPrototype
    from freeshot_baselines.full_finetuning import FullFinetuning
    from freeshot_baselines.noise import Noise
    from freeshot_baselines.real_data import RealData

    return [FrozenPrototype, FullFinetuning, Noise, RealData]


@hookimpl
def freeshot_inversion_methods() -> Iterable[type[InversionMethod]]:
    """Offer the inversion that recovers nothing."""
    from freeshot_baselines.noise import GaussianNoise

    return [GaussianNoise]
