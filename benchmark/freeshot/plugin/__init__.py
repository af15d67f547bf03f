"""The plugin system: hook markers, hook specifications, and the host that loads plugins."""

from __future__ import annotations

import pluggy

GROUP = "freeshot"
"""Entry-point group and pluggy project name."""

hookimpl = pluggy.HookimplMarker(GROUP)
hookspec = pluggy.HookspecMarker(GROUP)
