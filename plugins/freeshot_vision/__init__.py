"""Data sets and backbones, and the embedded pocket suite: real images, a trained network, a pool of LoRAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from freeshot import BackboneProvider, FewShotDataset, PoolPlan, Suite, Track


@hookimpl
def freeshot_backbones() -> Iterable[type[BackboneProvider]]:
    """Register pocket-vit and published networks."""
    from freeshot_vision.backbones.hugging_face import HuggingFaceVit
    from freeshot_vision.backbones.providers import PROVIDERS
    from freeshot_vision.pocket.backbone import PocketVit

    return [PocketVit, HuggingFaceVit, *PROVIDERS]


@hookimpl
def freeshot_datasets() -> Iterable[type[FewShotDataset]]:
    """Register the pocket suite's data sets and published ones."""
    from freeshot_vision.datasets import DATASETS as PUBLISHED
    from freeshot_vision.pocket.datasets import DATASETS

    return [*DATASETS, *PUBLISHED]


@hookimpl
def freeshot_tracks() -> Iterable[Track]:
    """Register the pocket suite's tracks and the paper's."""
    from freeshot_vision.paper.tracks import SMALL_TRACKS, VALIDATION, VARIED
    from freeshot_vision.paper.tracks import TRACKS as PAPER
    from freeshot_vision.pocket.tracks import TRACKS

    return (*TRACKS, *PAPER, *SMALL_TRACKS, *VALIDATION, *VARIED)


@hookimpl
def freeshot_suites() -> Iterable[Suite]:
    """Register the pocket suite, the paper's, and the one that exchanges components."""
    from freeshot_vision.components import SUITES as COMPONENTS
    from freeshot_vision.paper.suites import SUITES as PAPER
    from freeshot_vision.pocket.suites import SUITES

    return (*SUITES, *COMPONENTS, *PAPER)


@hookimpl
def freeshot_pools() -> Iterable[tuple[str, str]]:
    """Register the pocket pool, and the paper's small pools if their files are there."""
    from freeshot_vision.paper.pools import built_pools
    from freeshot_vision.pocket import POOL

    return [("pocket", str(POOL)), *built_pools()]


@hookimpl
def freeshot_pool_plans() -> Iterable[PoolPlan]:
    """Register the recipes of the paper's pools."""
    from freeshot_vision.paper.pools import PLANS, SMALL_PLANS

    return (*PLANS, *SMALL_PLANS)


@hookimpl
def freeshot_commands(cli: click.Group) -> None:
    """Add `freeshot weights`."""
    from freeshot_vision.weights.commands import command

    cli.add_command(command)
