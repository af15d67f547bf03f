"""The built-in launchers, registered through the plugin interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.plugin import hookimpl

if TYPE_CHECKING:
    from freeshot.contracts.launcher import Launcher


@hookimpl
def freeshot_launchers() -> list[type[Launcher]]:
    """Provide local processes, SLURM through submitit, and Ray."""
    from freeshot.launch.launchers.local import LocalLauncher
    from freeshot.launch.launchers.ray import RayLauncher
    from freeshot.launch.launchers.submitit import SubmititLauncher

    return [LocalLauncher, SubmititLauncher, RayLauncher]
