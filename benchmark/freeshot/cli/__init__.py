"""The command line: one file per verb, heavy imports inside the commands, no logic."""

from __future__ import annotations

from freeshot.cli.app import main

__all__ = ["main"]
