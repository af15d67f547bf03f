"""The folder of weight files that are given by file name only."""

from __future__ import annotations

import os
from pathlib import Path

WEIGHTS = "FREESHOT_WEIGHTS"
"""Environment variable with the folder of weight files; default is 'weights' in the working directory."""


def weights_folder() -> Path:
    """Return the folder of weight files."""
    return Path(os.environ.get(WEIGHTS) or "weights")
