"""The plugin boundary: the marker plugins use, the specifications of the hooks, the host that loads them."""

from __future__ import annotations

import pluggy

GROUP = "freeshot"
"""Entry-point group and pluggy project name."""

hookimpl = pluggy.HookimplMarker(GROUP)
hookspec = pluggy.HookspecMarker(GROUP)
