"""Few-shot tasks of a person's own pictures, one folder per class, and the accuracy of learners on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeshot.basics.errors import EpisodeError
from freeshot.basics.seeds import derive
from freeshot.cache.pixels import decoded
from freeshot.data.image_folder import open_classes
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.jackknife import measure_sampling_error, spread_intervals
from freeshot.evaluation.scoring import require_varied
from freeshot.pipeline.evaluate import score_lists
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Episode
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import ComponentSpec
    from freeshot.stats.intervals import Interval

MOST_CLASSES, MOST_QUERIES = 5, 15
"""Way and queries per class if none are given and the pictures suffice, as on the suites' tracks."""


@dataclass(frozen=True)
class TaskSizes:
    """The size and number of tasks to draw from pictures."""

    way: int | None = None
    """Classes of a task; None: five, or all if there are fewer."""
    shot: int = 1
    """Labelled pictures per class."""
    query: int | None = None
    """Pictures to classify per class; None: fifteen, or what the smallest class has left."""
    episodes: int = 600
    seed: int = 0


@dataclass(frozen=True, eq=False)
class PictureTasks:
    """Labelled pictures and the tasks drawn from them, the same for every learner."""

    images: Images
    way: int
    shot: int
    query: int
    episodes: tuple[Episode, ...]
    seed: int

    def score(
        self,
        context: RunContext,
        backbone: ComponentSpec | None,
        learner: Learner,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[list[float], tuple[Interval, ...]]:
        """Return a learner's accuracy per task, and its intervals over tasks and, wider, over other pictures."""
        (outcomes,), embedded = score_lists(context, backbone, learner, self.images, [self.episodes], report)
        require_varied(outcomes, self.way)
        accuracies = outcomes.accuracies
        interval = student_t(accuracies)
        if len(accuracies) < 2:
            return accuracies, (interval,)
        labels = np.asarray(self.images.labels, dtype=np.int64)[list(embedded.images)]
        sizes = (self.way, self.shot, self.query)
        error = measure_sampling_error(embedded.features, labels, *sizes, derive(self.seed, "spread", "pictures"))
        return accuracies, (interval, *(spread_intervals(interval, accuracies, error) if error else ()))


def open_picture_tasks(folder: Path, side: int, sizes: TaskSizes, cache: Path) -> PictureTasks:
    """Open pictures at the network's input side, and draw tasks; EpisodeError if there are too few for these sizes."""
    pictures = open_classes(folder, side)
    counts = np.bincount(pictures.labels, minlength=len(pictures.classes))
    way = sizes.way or min(MOST_CLASSES, len(counts))
    if not 2 <= way <= len(counts):
        raise EpisodeError(
            f"{folder} has {len(counts)} classes, which is too few for {way}-way tasks. Set --way to 2…{len(counts)}."
        )
    smallest = int(counts.argmin())
    left = int(counts[smallest]) - sizes.shot
    query = sizes.query or max(1, min(MOST_QUERIES, left))
    if left < query:
        advice = f"Set --query to at most {left}" if left > 0 else "Lower --shot"
        raise EpisodeError(
            f"{folder / pictures.classes[smallest]} has {counts[smallest]} pictures, but tasks need "
            f"{sizes.shot + query} of every class: {sizes.shot} shot + {query} query. {advice}, or add pictures."
        )
    episodes = draw_episodes(
        pictures.labels, way, sizes.shot, query, derive(sizes.seed, "own pictures"), sizes.episodes
    )
    images = decoded(pictures, str(folder), "all", cache / "pixels")
    return PictureTasks(images, way, sizes.shot, query, episodes, sizes.seed)
