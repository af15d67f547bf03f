"""The documentation does what it says: each block runs, and what a command prints is what stands below it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import DOCS, blurred, pages, run_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_a_pages_commands_do_what_it_says(page: Path, tmp_path: Path) -> None:
    for ran in run_page(page, tmp_path):
        assert not ran.failed, ran.failed
        assert blurred(ran.new) == blurred(ran.old), "Write it again with: python -m tests.docs"
