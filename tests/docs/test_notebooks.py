"""Each notebook of the documentation runs, and its outputs are those stored in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.notebooks import executed, notebooks, opened, shown_text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of Jupyter


@pytest.mark.parametrize("file", notebooks(), ids=lambda file: file.stem)
def test_the_outputs_of_a_notebook_are_those_stored_in_it(file: Path) -> None:
    assert shown_text(executed(file)) == shown_text(opened(file)), "Store it again with: python -m tests.docs.notebooks"
