"""Where files of weights lie that are named without their folder."""

from __future__ import annotations

import os
from pathlib import Path

WEIGHTS = "FREESHOT_WEIGHTS"
"""The variable that names the folder of weights; without it, the folder 'weights' where the command runs."""


def weights_folder() -> Path:
    """Return the folder of weights, as it is named."""
    return Path(os.environ.get(WEIGHTS) or "weights")
