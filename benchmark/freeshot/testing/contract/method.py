"""Rules for methods."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import torch

from freeshot.basics.failures import Failure
from freeshot.basics.step_limit import at_most
from freeshot.contracts.component import options_of
from freeshot.contracts.events import CellFailed, Event, Progress
from freeshot.contracts.method import Method
from freeshot.contracts.tracks import Row, Track
from freeshot.pipeline.cell import CellRun
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.resolve import resolve_cell
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.files import file_of
from freeshot.plugin.host import Selection
from freeshot.records.models import RunRecord
from freeshot.testing.contract import catalogue_with
from freeshot.testing.contract.fixtures import STEPS, require_reproducible
from freeshot.testing.contract.rules import BrokenError, Subject, rule

SMALL = {"per_class": 7}
"""Values that replace these options: images for 5 shots and 2 queries."""


def record_of(
    catalogue: Catalogue,
    method: type[Method],
    options: Any,
    track: Track,
    folder: Path,
    on_event: Callable[[Event], None] = lambda event: None,
) -> RunRecord:
    """Run one cell in an empty cache, in a new folder within `folder`."""

    class Listening(RunContext):
        """A context whose events go to `on_event`."""

        def emit(self, event: Event) -> None:
            on_event(event)

    small = {name: value for name, value in SMALL.items() if name in options_of(method)}
    cell, _ = resolve_cell(catalogue, "contract", Row(method.name, {**small, **options}), track)
    folder = Path(tempfile.mkdtemp(dir=folder))
    context = Listening(catalogue, folder / "cache", folder / "data", torch.device("cpu"))
    with at_most(STEPS):
        return CellRun(context, cell, folder / "results").run()


def accuracies(
    subject: Subject, way: int = 2, shot: int = 1, on_step: Callable[[int, int], None] | None = None
) -> list[float]:
    """Run a track from end to end; BrokenError unless it succeeds."""
    world = subject.world
    failures: list[Failure | None] = [None]

    def on_event(event: Event) -> None:
        if isinstance(event, Progress) and on_step is not None:
            on_step(event.done, event.total)
        if isinstance(event, CellFailed):
            failures.append(event.failure)

    record = record_of(world.catalogue, subject.value, subject.options, world.track(way, shot), world.folder, on_event)
    if record.status == "skipped":
        raise BrokenError(f"It skips a {way}-way {shot}-shot track: {record.reason} Skip only tracks that cannot run.")
    if record.status != "ok":
        raise BrokenError(f"On a {way}-way {shot}-shot track: {record.reason}", failures[-1])
    return list(record.accuracies)


@rule("runs a toy track of 2 ways and 1 shot from end to end", "method")
def _small_track(subject: Subject) -> None:
    accuracies(subject, 2, 1)


@rule("runs a toy track of 5 ways and 5 shots from end to end", "method")
def _large_track(subject: Subject) -> None:
    accuracies(subject, 5, 5)


@rule("the same seed gives the same accuracies", "method")
def _same_seed(subject: Subject) -> None:
    advice = "Two runs with one seed differ. Draw every random number from bench.rng(…) or the rng given."
    require_reproducible(lambda: accuracies(subject), advice)


@rule("gives the same results in worker processes", "method", last=True)
def _workers(subject: Subject) -> None:
    world = subject.world
    expected = [accuracies(subject, 2, shot) for shot in (1, 2)]
    # A worker cannot import the class of a single-file plugin; it finds that by name, once the file is loaded.
    method = subject.name if file_of(subject.value) else subject.value
    with ProcessPoolExecutor(2, _worker_context(), _set_environment, (dict(os.environ),)) as pool:
        plugins, options = world.catalogue.host.selection, dict(subject.options)
        jobs = [
            pool.submit(_run_in_worker, plugins, method, options, world.track(2, shot), world.folder) for shot in (1, 2)
        ]
        results = [job.result() for job in jobs]
    if expected != results:
        raise BrokenError("Its accuracies differ in worker processes. Store no state outside its fields.")


def _worker_context() -> BaseContext:
    """Return the context of worker processes: fresh ones, which share the seconds that importing torch takes."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _set_environment(variables: Mapping[str, str]) -> None:
    """Set the variables of the process that checks, which may have changed since the server of workers started."""
    os.environ.clear()
    os.environ.update(variables)


def _run_in_worker(
    plugins: Selection, method: type[Method] | str, options: Mapping[str, Any], track: Track, folder: Path
) -> list[float]:
    """Run a cell with a catalogue of its own; return its accuracies, or raise its error."""

    def on_event(event: Event) -> None:
        if isinstance(event, CellFailed):
            raise BrokenError(f"In a worker process: {event.reason}", event.failure)

    catalogue = catalogue_with(method, plugins)
    cls: Any = catalogue.component("method", method) if isinstance(method, str) else method
    return list(record_of(catalogue, cls, options, track, folder, on_event).accuracies)
