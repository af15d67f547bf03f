"""Each block of the documentation runs, and the output of each command is the text below it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import DOCS, blurred, pages, run_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_the_commands_of_a_page_run_and_print_the_output_it_shows(page: Path, tmp_path: Path) -> None:
    for ran in run_page(page, tmp_path):
        assert not ran.failed, ran.failed
        assert blurred(ran.new) == blurred(ran.old), "Write it again with: python -m tests.docs"
