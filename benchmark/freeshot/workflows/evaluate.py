"""Evaluate an adapter, a backbone alone or any embedding, on the tracks of a suite or on a person's own pictures.

Nothing is trained, and no record is written: the result is ranked beside the records as 'unsubmitted'.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError, OptionError
from freeshot.contracts.component import spelled
from freeshot.contracts.dataset import wrong_size
from freeshot.contracts.events import Progress, StageFinished, StageStarted
from freeshot.engine.devices import choose_device
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.evaluation.episodes import episodes_sha256
from freeshot.evaluation.scoring import require_varied
from freeshot.launch.plan import tracks_for
from freeshot.leaderboard.board import Extensions
from freeshot.leaderboard.unsubmitted import Conditions, Standing, standing_of
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.evaluate import score_lists
from freeshot.pipeline.resolve import backbone_spec
from freeshot.records.load import load_records
from freeshot.stats.intervals import student_t
from freeshot.workflows.evaluation_report import EvaluationReport, TrackScore
from freeshot.workflows.evaluation_target import Target, open_target
from freeshot.workflows.own_pictures import PictureTasks, TaskSizes, open_picture_tasks

if TYPE_CHECKING:
    from freeshot.contracts.tensors import Adapter
    from freeshot.contracts.tracks import Track
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import Precision
    from freeshot.workflows.evaluation_target import Embedding


@dataclass(frozen=True)
class EvaluateRequest:
    """The arguments of `freeshot evaluate`."""

    target: Path | Adapter | Embedding | None = None
    """Folder of an adapter, the adapter itself, or a function from images [b, 3, h, w] in 0…1 to features [b, d];
    None: the backbone alone."""
    suite: str | None = None
    tracks: tuple[str, ...] = ()
    """Patterns of track names; empty uses all of the suite."""
    images: Path | None = None
    """Folder of pictures, one folder per class, instead of tracks."""
    sizes: TaskSizes = field(default_factory=TaskSizes)
    """Of the tasks drawn from `images`."""
    backbone: str | None = None
    """Default: the one that the adapter's files state."""
    image_size: int | None = None
    """Side in pixels of the images that a function gets; default: that of the track's backbone."""
    name: str | None = None
    """Label of the row; default: the name of the adapter's folder, of the backbone or of the function."""
    results: Path = field(default_factory=lambda: Path("results"))
    """Folder of the records to compare with; it need not exist."""
    cache: Path = field(default_factory=lambda: Path(".freeshot"))
    data: Path = field(default_factory=lambda: Path("data"))
    device: str = "cpu"
    precision: Precision = "fp32"
    """Of the backbone's passes."""


@dataclass(frozen=True, eq=False)
class EvaluationJob:
    """A validated evaluation that is ready to start."""

    request: EvaluateRequest
    context: RunContext
    target: Target
    tracks: tuple[Track, ...]
    suite: str
    """Whose records are compared; '' on own pictures."""
    pictures: PictureTasks | None

    @property
    def title(self) -> str:
        """Name of the work, for progress displays."""
        return f"evaluate {self.target.name}"

    def run(self) -> EvaluationReport:
        """Score all episodes; an interrupted evaluation of a backbone or adapter continues where it stopped."""
        scores = self._score_tracks() if self.pictures is None else (self._score_pictures(self.pictures),)
        target = self.target
        opened = self.context.backbone(target.backbone) if target.backbone else None
        adapter: Adapter | None = getattr(target.learner, "adapter", None)
        return EvaluationReport(
            target.name,
            target.kind,
            opened.name if opened else "",
            opened.sha256 if opened else "",
            self.context.precision,
            scores,
            self._standing(scores) if self.pictures is None else None,
            adapter.facts if adapter else {},
        )

    def _score_pictures(self, tasks: PictureTasks) -> TrackScore:
        """Score the target, and for an adapter its backbone alone, too."""
        spec = self.target.backbone
        with self._stage("pictures") as report:
            accuracies, (interval, *wider) = tasks.score(self.context, spec, self.target.learner, report)
        baseline: Sequence[float] = ()
        if self.target.kind == "adapter" and spec is not None:
            with self._stage("backbone alone") as report:
                baseline, _ = tasks.score(self.context, spec, AdaptedLearner(self.context.backbone(spec)), report)
        sizes = (tasks.way, tasks.shot, tasks.query)
        name = str(self.request.images)
        return TrackScore(name, *sizes, tuple(accuracies), interval, tuple(wider), tuple(baseline))

    def _score_tracks(self) -> tuple[TrackScore, ...]:
        """Score the tracks of one data set together, because they share images."""
        groups: dict[tuple[str, str, int], list[Track]] = defaultdict(list)
        for track in self.tracks:
            side = _side(track, self.target, self.request, self.context)
            groups[track.dataset, track.split, side].append(track)
        scores = {}
        for (dataset, split, side), tracks in groups.items():
            lists = [self.context.episodes(track) for track in tracks]
            images = self.context.images(dataset, split, side)
            with self._stage(dataset) as report:
                outcomes, _ = score_lists(
                    self.context, self.target.backbone, self.target.learner, images, lists, report
                )
            for track, outcome in zip(tracks, outcomes, strict=True):
                require_varied(outcome, track.way)
                accuracies = tuple(outcome.accuracies)
                sizes = (track.way, track.shot, track.query)
                scores[track.name] = TrackScore(track.name, *sizes, accuracies, student_t(accuracies))
        return tuple(scores[track.name] for track in self.tracks)

    @contextmanager
    def _stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Emit the start and the end of a stage, and yield the callback for its progress."""
        emit, began = self.context.emit, time.perf_counter()
        emit(StageStarted(self.title, name))
        yield lambda done, total: emit(Progress(self.title, name, done, total))
        emit(StageFinished(self.title, name, time.perf_counter() - began))

    def _standing(self, scores: Sequence[TrackScore]) -> Standing:
        """Rank the scores beside the records of the same backbone; those of a function beside the tracks' own."""
        context, spec, catalogue = self.context, self.target.backbone, self.context.catalogue
        episodes = {}
        for track in self.tracks:
            images = context.images(track.dataset, track.split)
            episodes[track.name] = (episodes_sha256(context.episodes(track), images.sha256), track.episodes)
        conditions = Conditions(
            self.suite,
            {track.name: spec or backbone_spec(catalogue, track.backbone) for track in self.tracks},
            context.backbone(spec).sha256 if spec else "",
            context.precision,
            {track.name: track.version for track in self.tracks},
            episodes,
        )
        accuracies = {score.track: score.accuracies for score in scores}
        records = load_records(self.request.results).records
        return standing_of(self.target.name, accuracies, records, conditions, Extensions(suites=catalogue.suites()))


def evaluate(request: EvaluateRequest, catalogue: Catalogue) -> EvaluationReport:
    """Evaluate an adapter, a backbone or an embedding; FreeshotError in three clauses if something does not fit."""
    return plan_evaluation(request, catalogue).run()


def plan_evaluation(request: EvaluateRequest, catalogue: Catalogue) -> EvaluationJob:
    """Validate a request, and open its target and images, before anything is computed."""
    if request.images is not None and (request.suite or request.tracks):
        raise OptionError("--images cannot be combined with --suite or --track. Evaluate on one of them at a time.")
    if request.images is None and not request.suite and not request.tracks:
        raise OptionError("Nothing to evaluate on: set --suite NAME, --track PATTERN or --images DIR.")
    tracks = () if request.images else tracks_for(request.suite, request.tracks, catalogue)
    context = RunContext(catalogue, request.cache, request.data, choose_device(request.device), request.precision)
    target = open_target(request.target, request.backbone, context)
    target = replace(target, name=request.name or target.name)
    for track in tracks:
        _require_fitting(track, target, request, context)
    pictures = None
    if request.images is not None:
        side = context.backbone(target.backbone).image_size if target.backbone else request.image_size
        if side is None:
            raise OptionError("A function needs to know the size of its images. Set image_size, in pixels.")
        pictures = open_picture_tasks(request.images, side, request.sizes, request.cache)
    return EvaluationJob(request, context, target, tracks, _suite_of(request, tracks, catalogue), pictures)


def _side(track: Track, target: Target, request: EvaluateRequest, context: RunContext) -> int:
    """Return the side of a track's images in pixels."""
    if target.backbone is not None:
        return context.backbone(target.backbone).image_size
    own = context.component(backbone_spec(context.catalogue, track.backbone))
    return request.image_size or int(own.image_size())


def _require_fitting(track: Track, target: Target, request: EvaluateRequest, context: RunContext) -> None:
    """Open a track's images, and require that they have the right size or can be resized."""
    images = context.images(track.dataset, track.split)
    taker = spelled(context.component(target.backbone)) if target.backbone else target.name
    if reason := wrong_size(images, track.dataset, _side(track, target, request, context), taker):
        raise DataError(reason)


def _suite_of(request: EvaluateRequest, tracks: Sequence[Track], catalogue: Catalogue) -> str:
    """Return the suite whose records are compared: the requested one, or the first with all tracks, the main first."""
    if request.suite is not None or not tracks:
        return request.suite or ""
    names = {track.name for track in tracks}
    suites = sorted(catalogue.suites().values(), key=lambda suite: not suite.main)
    fitting = (s.name for s in suites if names <= {track.name for track in catalogue.match_tracks(s.tracks)})
    return next(fitting, "custom")
