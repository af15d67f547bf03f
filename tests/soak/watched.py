"""A plugin for runs that will be interrupted: it offers a small suite, saves states often, and records stages.

Given as `--plugin`, it works in every process of a run. Environment variables set its paths:

    SOAK_DIARY   folder of the logs, a file for each process
    SOAK_POOL    folder of the pool 'soak'
    SOAK_DEATH   number of the file operation at which the process ends itself as `kill -9` would
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import freeshot
from freeshot.cache import artifacts, checkpoints
from freeshot.cache import pixels as decoded
from freeshot.contracts.events import CellFinished, Event, StageFinished, StageStarted
from freeshot.pipeline import evaluate as tuned
from freeshot.pipeline import feature_cache as features
from freeshot.records.models import RunRecord

DIARY = Path(os.environ["SOAK_DIARY"]) / f"{os.getpid()}.jsonl"
TRACK = freeshot.Track(
    name="soak/icons/5w1s",
    dataset="icons",
    pool="soak",
    sources=("icons",),
    backbone="pocket-vit",
    split="validation",
    query=5,
    episodes=10,
)
SIZES = {"per_class": 2, "inversion.prior": "none", "inversion.iterations": 8, "learner.iterations": 20}
DRAWN = {"per_class": 2, "inversion.outer": 2, "inversion.group": 2, "inversion.inner": 2, "learner.iterations": 8}
ONE_SETTING = {"lrs": (1e-3,), "steps": (1,), "heads": ("zero",), "trials": 4}
SUITE = freeshot.Suite(
    name="soak",
    summary="two inversions, one of which first learns to invert; two ways of meta-training; tuning on every episode",
    tracks=(TRACK.name,),
    profiles={
        "full": freeshot.Profile(
            rows=(
                freeshot.Row("lora-recycle", SIZES),
                freeshot.Row("free", DRAWN),
                freeshot.Row("full-finetuning", ONE_SETTING),
            )
        )
    },
)

checkpoints.EVERY = 0.1
tuned.SAVE_EVERY = 2
features.WORTH = 0.0  # so that all caches are used
decoded.WORTH = 0


@freeshot.hookimpl
def freeshot_tracks() -> list[freeshot.Track]:
    return [TRACK]


@freeshot.hookimpl
def freeshot_suites() -> list[freeshot.Suite]:
    return [SUITE]


@freeshot.hookimpl
def freeshot_pools() -> list[tuple[str, str]]:
    return [("soak", os.environ["SOAK_POOL"])]


@freeshot.hookimpl
def freeshot_event(event: Event) -> None:
    if isinstance(event, StageStarted):
        record_stage(event.cell, event.stage)
    elif isinstance(event, StageFinished):
        record_stage(event.cell, "between stages")
    elif isinstance(event, CellFinished):
        record_stage(event.cell, "writing the record")


def record_stage(cell: str, stage: str) -> None:
    """Append a stage that begins, in a single write."""
    with DIARY.open("ab", buffering=0) as file:
        file.write(json.dumps({"at": time.time(), "cell": cell, "stage": stage}).encode() + b"\n")


def _recording(read: Callable[..., Any], exists: Callable[..., bool]) -> Callable[..., Any]:
    """Record each file that exists but is not complete."""

    def recorded(*arguments: Any) -> Any:
        actual = None
        try:
            actual = read(*arguments)
        finally:
            if actual is None and exists(*arguments):
                record_stage("", f"half-written: {arguments[-1]}")
        return actual

    return recorded


artifacts.Artifacts._read = _recording(artifacts.Artifacts._read, lambda _, folder: folder.exists())  # type: ignore[method-assign]
checkpoints.FileCheckpoint.load = _recording(  # type: ignore[method-assign]
    checkpoints.FileCheckpoint.load, lambda state: state._path.exists()
)
RunRecord.read = classmethod(_recording(RunRecord.read.__func__, lambda _, path: path.exists()))  # type: ignore[attr-defined, method-assign, assignment]
decoded._is_sound = _recording(
    lambda folder, facts, sound=decoded._is_sound: sound(folder, facts) or None, lambda folder, _: folder.exists()
)


OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
HOME = os.environ["SOAK_POOL"].removesuffix("pool")
DEATH = int(os.environ.get("SOAK_DEATH", "0"))
_count = itertools.count(1)


def _counted(event: str, arguments: tuple[Any, ...]) -> None:
    """Count changes of files in the run's own folder; end this process just before the fatal one."""
    if event not in OPERATIONS or (event == "open" and not _writes(arguments[2])):
        return
    path = arguments[0]
    if not isinstance(path, (str, Path)) or not os.path.abspath(path).startswith(HOME):  # noqa: PTH100 - the path as given
        return
    if next(_count) == DEATH:
        os.kill(os.getpid(), signal.SIGKILL)
    with Path(DIARY.parent, "operations").open("ab", buffering=0) as file:
        file.write(b".")


def _writes(flags: Any) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


sys.addaudithook(_counted)
