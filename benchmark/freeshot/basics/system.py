"""Properties of the machine and the user's environment: CPU cores, the folder of weight files."""

from __future__ import annotations

import os
from pathlib import Path

WEIGHTS = "FREESHOT_WEIGHTS"
"""Environment variable with the folder of weight files that are given by file name only."""


def usable_cores() -> int:
    """Count the CPU cores that this process may use; schedulers and containers may limit them."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def weights_folder() -> Path:
    """Return the folder of weight files; by default 'weights' in the working directory."""
    return Path(os.environ.get(WEIGHTS) or "weights")
