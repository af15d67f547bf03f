"""The fixture that calls the command line."""

from __future__ import annotations

from tests.cli.conftest import call

__all__ = ["call"]
