"""Tools for plugin authors: a toy world that runs the whole pipeline on a CPU in seconds, and contract checks."""

from __future__ import annotations

from freeshot.testing.contract import check

__all__ = ["check"]
