"""Run the notebooks of the documentation and store their outputs: `python -m tests.docs.notebooks [FILE …]`."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.docs.pages import DOCS, blurred

NOTEBOOKS = DOCS / "notebooks"
TIMEOUT = 600
"""Seconds for a cell."""


def notebooks() -> list[Path]:
    """List the notebooks."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def opened(file: Path) -> Any:
    """Read a notebook with its outputs."""
    import nbformat

    return nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]


def executed(file: Path) -> Any:
    """Run a notebook in an empty folder; return it with its outputs, without times and versions of this machine."""
    from nbclient import NotebookClient

    notebook = opened(file)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
        client = NotebookClient(
            notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute(env=os.environ | {"OMP_NUM_THREADS": "1", "IPYTHONDIR": folder})
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells):
        cell["id"], cell["metadata"] = f"cell-{number}", {}
    return notebook


def shown_text(notebook: Any) -> list[str]:
    """Return the text output of each code cell, without numbers that may differ between two runs."""
    return [blurred("\n".join(map(_text, cell.outputs))) for cell in notebook.cells if cell.cell_type == "code"]


def _text(output: Any) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return re.sub(r"0x[0-9a-f]+", "0x…", text)


def main() -> None:
    """Run the notebooks named, or all, in place."""
    import nbformat

    for file in [Path(name).resolve() for name in sys.argv[1:]] or notebooks():
        nbformat.write(executed(file), file)  # type: ignore[no-untyped-call]
        print(file)


if __name__ == "__main__":
    main()
