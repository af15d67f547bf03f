"""For plugin authors: a toy world in which the whole pipeline runs on a CPU in seconds, and the contract kit."""

from __future__ import annotations

from freeshot.testing.contract import check

__all__ = ["check"]
