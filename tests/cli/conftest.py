"""The command line as users call it, with only the plugins that a test installs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from freeshot.cli import main

Call = Callable[..., Result]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call freeshot; `plugins` names those to load."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, plugins: str = "fake") -> Result:
        monkeypatch.setenv("FREESHOT_PLUGINS", plugins)
        return CliRunner().invoke(main, arguments, prog_name="freeshot")

    return run
