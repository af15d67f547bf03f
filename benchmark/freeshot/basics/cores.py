"""The number of CPU cores available to this process, which schedulers and containers may limit."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Count the CPU cores that this process may use."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
