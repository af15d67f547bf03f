"""How many cores there are for this process: fewer than the machine has, where a scheduler or a container shares it."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
