"""Measure interval coverage: `python -m makers.interval_coverage 'in-domain/*' … --out results/coverage`.

Many smaller sets are drawn from the features of a track's images; the accuracy on the whole set is the truth. The
study counts how often each interval, computed from a smaller set alone, contains the truth. A sample of a finite set
is closer to it than to a population, so intervals are narrowed by √(1 − n/N), the finite population correction. Results
are written to OUT.jsonl, track by track, and from there to OUT.md.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from freeshot.basics.files import write_text
from freeshot.basics.seeds import derive
from freeshot.data.lookup import dataset_by_name
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.vit.backbone import named_backbone
from freeshot.evaluation.jackknife import DRAWS, StandardError, draw_tasks, measure_sampling_error
from freeshot.evaluation.scoring import embed, score_features
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.tracks import Track

LEVEL = 0.95
TASKS = 600
"""Per smaller set, as many as a track has."""


@dataclass(frozen=True)
class Coverage:
    """Coverage and width of one kind of interval on one track."""

    track: str
    covers: str
    drawn: str
    """Description of the smaller sets: '60 of 120 images per class'."""
    held: float
    """Share of the smaller sets whose interval contains the truth."""
    half_width: float
    """Mean half-width without the correction, as reported; in 0…1."""
    sets: int


@dataclass(frozen=True)
class Effort:
    """Numbers of sets and tasks of the study of a track."""

    sets: int = 300
    truth: int = 40_000
    """Tasks from the whole set."""
    draws: int = DRAWS
    """Tasks for the jackknife of each smaller set."""


@dataclass(frozen=True, eq=False)
class Sized:
    """A way to draw smaller sets, with their share of the whole."""

    covers: str
    drawn: str
    share: float
    images_per_class: int | None
    classes: int


def study(
    features: Tensor, labels: NDArray[np.int64], track: Track, effort: Effort, rng: np.random.Generator
) -> list[Coverage]:
    """Measure the coverage of one track's intervals on features [u, d] with labels [u]."""
    large = np.bincount(labels) >= track.shot + track.query
    rows = np.flatnonzero(large[labels])
    features, labels = features[torch.from_numpy(rows)], np.searchsorted(np.flatnonzero(large), labels[rows])
    truth = float(np.mean(_accuracies(features, labels, track, effort.truth, rng)))
    return [
        coverage
        for sized in _sizes(labels, track)
        for coverage in _measured(features, labels, track, sized, truth, effort, rng)
    ]


def _sizes(labels: NDArray[np.int64], track: Track) -> list[Sized]:
    """Halve the images of each class, then the classes, leaving enough for a task."""
    counts = np.bincount(labels)
    middle, classes = int(np.median(counts)), len(counts)
    images = max(track.shot + track.query, middle // 2)
    fewer = max(track.way + 2, classes // 2)
    return [
        Sized("images", f"{images} of {middle} images per class", images / middle, images, classes),
        Sized("classes", f"{fewer} of {classes} classes", fewer / classes, None, fewer),
    ]


def _measured(
    features: Tensor,
    labels: NDArray[np.int64],
    track: Track,
    sized: Sized,
    truth: float,
    effort: Effort,
    rng: np.random.Generator,
) -> list[Coverage]:
    correction = math.sqrt(1 - sized.share)
    contained, widths = np.zeros((2, effort.sets)), np.zeros((2, effort.sets))
    for number in range(effort.sets):
        rows = _smaller(labels, sized, rng)
        sample, sample_labels = features[torch.from_numpy(rows)], np.unique(labels[rows], return_inverse=True)[1]
        accuracies = _accuracies(sample, sample_labels, track, TASKS, rng)
        error = float(np.std(accuracies, ddof=1)) / math.sqrt(TASKS)
        seed = int(rng.integers(2**63))
        spread = measure_sampling_error(sample, sample_labels, track.way, track.shot, track.query, seed, effort.draws)
        further = None if spread is None else spread.images if sized.covers == "images" else spread.classes
        if further is None:
            return []
        miss = abs(float(np.mean(accuracies)) - truth)
        widths[:, number] = _reach(StandardError(0, TASKS - 1), error), _reach(further, error)
        narrowed = StandardError(further.size * correction, further.freedom)
        contained[:, number] = miss <= widths[0, number], miss <= _reach(narrowed, error)
    return [
        Coverage(track.name, covers, sized.drawn, float(contained[i].mean()), float(widths[i].mean()), effort.sets)
        for i, covers in enumerate(("episodes", f"episodes and {sized.covers}"))
    ]


def _smaller(labels: NDArray[np.int64], sized: Sized, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the rows of a smaller set."""
    chosen = rng.permutation(labels.max() + 1)[: sized.classes]
    of_each = [rng.permutation(np.flatnonzero(labels == label))[: sized.images_per_class] for label in np.sort(chosen)]
    return np.concatenate(of_each)


def _accuracies(
    features: Tensor, labels: NDArray[np.int64], track: Track, count: int, rng: np.random.Generator
) -> list[float]:
    support, query = draw_tasks(labels, track.way, track.shot, track.query, count, rng)
    return score_features(features, torch.from_numpy(support), torch.from_numpy(query), track.way).accuracies


def _reach(error: StandardError, own: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(error.freedom, (1 + LEVEL) / 2)) * math.hypot(own, error.size)


def table(results: Sequence[Coverage]) -> str:
    """Format the results as Markdown."""
    reading = (
        f"Share of smaller sets, drawn from a track's own images, whose nominal {LEVEL:.0%} interval contains the "
        "accuracy on the whole set, with the frozen backbone, and the mean half-width in points. An interval over "
        "episodes covers the sampling of tasks, and that is all it can be held to: where it holds in too few of these "
        "sets, other images or classes would have given another number. Intervals over images and classes are "
        "corrected for the sets being large parts of a finite whole."
    )
    lines = [
        "<!-- Written by `make coverage`; edit the study, not this. -->\n",
        f"# Do the intervals hold?\n\n{reading}\n",
        "| Track | Sets | Covers | Holds | ± |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    lines += [
        f"| {result.track} | {result.sets} × {result.drawn} | {result.covers} | {100 * result.held:.1f} % | "
        f"{100 * result.half_width:.2f} |"
        for result in results
    ]
    return "\n".join(lines) + "\n"


def _features(track: Track, catalogue: Catalogue, data: Path) -> tuple[Tensor, NDArray[np.int64]]:
    dataset = dataset_by_name(catalogue, track.dataset)
    images: Images = dataset.load(track.split, data)
    device = torch.device("cpu")
    learner = AdaptedLearner(named_backbone(catalogue, track.backbone))
    return embed(learner, images, range(len(images)), device), np.asarray(images.labels, dtype=np.int64)


def main() -> None:
    """Study the tracks that match the patterns and have no results yet."""
    parser = argparse.ArgumentParser(prog="python -m makers.interval_coverage", description=__doc__)
    parser.add_argument("patterns", nargs="+")
    parser.add_argument("--sets", type=int, default=Effort.sets)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    file = arguments.out.with_suffix(".jsonl")
    results = [Coverage(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
    catalogue = Catalogue(load_plugins())
    for track in catalogue.match_tracks(arguments.patterns):
        if track.optional or track.name in {result.track for result in results}:
            continue
        rng = np.random.default_rng(derive(0, "coverage", track.name))
        results += study(*_features(track, catalogue, arguments.data), track, Effort(arguments.sets), rng)
        write_text(file, "".join(json.dumps(asdict(result)) + "\n" for result in results))
    write_text(
        arguments.out.with_suffix(".md"),
        table(sorted(results, key=lambda result: (result.track, result.drawn, result.covers))),
    )


if __name__ == "__main__":
    main()
