"""The shell, to compare with."""

from __future__ import annotations

from tests.cli.conftest import call as call  # noqa: PLC0414
