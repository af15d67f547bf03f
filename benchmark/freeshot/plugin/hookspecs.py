"""All hooks that a plugin can implement: all prefixed, all optional, none `firstresult`.

A hook that returns classes should import them inside its body, so that requesting one kind does not import the others.
Implementations may take fewer arguments than the specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.plugin import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    import click

    from freeshot.contracts.backbone import BackboneProvider
    from freeshot.contracts.dataset import FewShotDataset
    from freeshot.contracts.events import Event
    from freeshot.contracts.inversion import InversionMethod
    from freeshot.contracts.launcher import Launcher
    from freeshot.contracts.leaderboard import Column, Published
    from freeshot.contracts.meta_learner import MetaLearner
    from freeshot.contracts.method import Method
    from freeshot.contracts.pool import PoolPlan
    from freeshot.contracts.strategy import EfficiencyStrategy
    from freeshot.contracts.tracks import Suite, Track
    from freeshot.records.models import RunSpec


@hookspec
def freeshot_backbones() -> Iterable[type[BackboneProvider]]:  # type: ignore[empty-body]
    """Return backbone classes. Called when a backbone is selected or listed."""


@hookspec
def freeshot_datasets() -> Iterable[type[FewShotDataset]]:  # type: ignore[empty-body]
    """Return data set classes. Called when a track opens its images."""


@hookspec
def freeshot_inversion_methods() -> Iterable[type[InversionMethod]]:  # type: ignore[empty-body]
    """Return inversion method classes. Called when a method selects one by name."""


@hookspec
def freeshot_efficiency_strategies() -> Iterable[type[EfficiencyStrategy]]:  # type: ignore[empty-body]
    """Return efficiency strategy classes. Called when a method selects one by name."""


@hookspec
def freeshot_meta_learners() -> Iterable[type[MetaLearner]]:  # type: ignore[empty-body]
    """Return meta-learner classes. Called when a method selects one by name."""


@hookspec
def freeshot_methods() -> Iterable[type[Method]]:  # type: ignore[empty-body]
    """Return method classes, one leaderboard row each."""


@hookspec
def freeshot_launchers() -> Iterable[type[Launcher]]:  # type: ignore[empty-body]
    """Return launcher classes. Called with `freeshot run --launcher NAME`."""


@hookspec
def freeshot_tracks() -> Iterable[Track]:  # type: ignore[empty-body]
    """Return track values."""


@hookspec
def freeshot_suites() -> Iterable[Suite]:  # type: ignore[empty-body]
    """Return suites: tracks that belong together, with the profiles they are run in."""


@hookspec
def freeshot_pools() -> Iterable[tuple[str, str]]:  # type: ignore[empty-body]
    """Return (name, folder) of each LoRA pool the plugin ships; the folders are opened later."""


@hookspec
def freeshot_pool_plans() -> Iterable[PoolPlan]:  # type: ignore[empty-body]
    """Return recipes of pools that users build, because images or size prevent shipping them."""


@hookspec
def freeshot_lora_penalties() -> Iterable[tuple[str, Callable[..., object]]]:  # type: ignore[empty-body]
    """Return (name, function) of each penalty that `freeshot pool build --penalty NAME WEIGHT` can train LoRAs with.

    The function gets the initial `LoraBank`, the weight, and a function that opens one random stream per LoRA for a
    purpose. It returns the bank to train, which applies the penalty in `after_step(rate)`.
    """


@hookspec
def freeshot_leaderboard_columns() -> Iterable[Column]:  # type: ignore[empty-body]
    """Return extra leaderboard columns, computed from records."""


@hookspec
def freeshot_published_results() -> Iterable[Published]:  # type: ignore[empty-body]
    """Return accuracies reported in papers; leaderboards show them separately from measured ones."""


@hookspec
def freeshot_commands(cli: click.Group) -> None:
    """Add click commands to the command line."""


@hookspec
def freeshot_cell(spec: RunSpec) -> Generator[None, object, object]:  # type: ignore[empty-body]
    """Wrap the run of one cell (use `@hookimpl(wrapper=True)` and yield once): profilers, trackers."""


@hookspec
def freeshot_event(event: Event) -> None:
    """Receive a progress event; return values are ignored."""
