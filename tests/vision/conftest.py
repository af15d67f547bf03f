"""The command line, as tests of it call it."""

from __future__ import annotations

from tests.cli.conftest import call

__all__ = ["call"]
