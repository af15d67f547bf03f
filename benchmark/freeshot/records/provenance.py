"""Provenance of a record: machine, packages and commit."""

from __future__ import annotations

import datetime as dt
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from freeshot.records.models import Provenance
from freeshot.version import __version__

PACKAGES = ("torch", "timm", "peft", "numpy", "scipy", "pluggy")


def provenance(device: torch.device) -> Provenance:
    """Describe this machine, these packages and this checkout."""
    commit, dirty = _git_state()
    return Provenance(
        freeshot=__version__,
        packages={name: metadata.version(name) for name in PACKAGES},
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        threads=torch.get_num_threads(),
        git_commit=commit,
        git_dirty=dirty,
        finished=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git_state() -> tuple[str | None, bool | None]:
    """Return the commit and whether the tree differs from it; changes to results do not count."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit, bool(_git("status", "--porcelain", "--", ".", ":(exclude)results"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
