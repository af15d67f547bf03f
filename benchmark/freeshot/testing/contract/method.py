"""Rules for methods."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from freeshot.contracts.events import CellFailed, Progress
from freeshot.testing.contract.fixtures import STEPS
from freeshot.testing.contract.inversion import interrupted
from freeshot.testing.contract.rules import BrokenError, Subject, rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from freeshot.basics.failures import Failure
    from freeshot.contracts.events import Event
    from freeshot.contracts.method import Method
    from freeshot.contracts.tracks import Track
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import RunRecord

SMALL = {"per_class": 7}
"""Values that replace these options: images for 5 shots and 2 queries."""


def record_of(
    catalogue: Catalogue,
    method: type[Method],
    options: Any,
    track: Track,
    folder: Path,
    hear: Callable[[Event], None] = lambda event: None,
    limit: int | None = None,
) -> RunRecord:
    """Run one cell, or its first episodes, in an empty cache."""
    import torch

    from freeshot.basics.step_limit import at_most
    from freeshot.contracts.component import options_of
    from freeshot.launch.plan import track_spec
    from freeshot.pipeline.cell import run_cell
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import backbone_part, with_parts
    from freeshot.records.models import RunSpec

    class Listening(RunContext):
        """An environment whose events go to `hear`."""

        def emit(self, event: Event) -> None:
            hear(event)

    small = {name: value for name, value in SMALL.items() if name in options_of(method)}
    part, _, parts = with_parts(catalogue, "method", method.name, {**small, **options})
    backbone = backbone_part(catalogue, track.backbone)
    spec = RunSpec(
        suite="contract", track=track_spec(track), method=part, parts=parts, backbone=backbone, seed=0, limit=limit
    )
    environment = Listening(catalogue, folder / "cache", folder / "data", torch.device("cpu"))
    with at_most(STEPS):
        return run_cell(environment, spec, track, folder / "results")


def _record(
    subject: Subject, way: int, shot: int, place: str, on_step: Any = None, limit: int | None = None
) -> RunRecord:
    world = subject.world
    folder = world.folder / f"{subject.name}-{place}"
    track = world.track(way, shot)
    failures: list[Failure | None] = [None]

    def hear(event: Event) -> None:
        if isinstance(event, Progress) and on_step is not None:
            on_step(event.done, event.total)
        if isinstance(event, CellFailed):
            failures.append(event.failure)

    record = record_of(world.catalogue, subject.value, subject.options, track, folder, hear, limit)
    if record.status == "skipped":
        raise BrokenError(f"It skips a {way}-way {shot}-shot track: {record.reason} Skip only tracks that cannot run.")
    if record.status != "ok":
        raise BrokenError(f"On a {way}-way {shot}-shot track: {record.reason}", failures[-1])
    return record


@rule("runs a toy track of 2 ways and 1 shot from end to end", "method")
def _small_track(subject: Subject) -> None:
    _record(subject, 2, 1, "small")


@rule("runs a toy track of 5 ways and 5 shots from end to end", "method")
def _large_track(subject: Subject) -> None:
    _record(subject, 5, 5, "large")


@rule("the same seed gives the same accuracies", "method")
def _same_seed(subject: Subject) -> None:
    import torch

    found = []
    for state in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(state)
            found.append(_record(subject, 2, 1, f"again-{state}").accuracies)
    if found[0] != found[1]:
        raise BrokenError("Two runs with one seed differ. Draw every random number from bench.rng(…) or the rng given.")


@rule("can be interrupted", "method")
def _interruption(subject: Subject) -> None:
    interrupted(lambda on_step: _record(subject, 2, 1, "interrupted", on_step))


@rule("gives the same results in worker processes", "method", last=True)
def _workers(subject: Subject) -> None:
    from freeshot.testing.contract.worker_process import Reference, run_in_worker

    world = subject.world
    here = [_record(subject, 2, shot, f"here-{shot}").accuracies for shot in (1, 2)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        plugins, method = world.catalogue.host.selection, Reference.to(subject.value)
        jobs = [
            pool.submit(run_in_worker, plugins, method, dict(subject.options), world.track(2, shot), world.folder)
            for shot in (1, 2)
        ]
        there = [job.result() for job in jobs]
    if here != there:
        raise BrokenError("Its accuracies differ in worker processes. Store no state outside its fields.")
