"""Grid search: every setting on the same validation tasks; the best mean accuracy wins.

Axes: e episodes, n support images, q queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from freeshot import Predictor, ValidationEpisode, Workbench

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Setting:
    """The searched settings of a fine-tuning."""

    lr: float
    steps: int
    head: str

    def __str__(self) -> str:
        return f"lr {self.lr:g}, {self.steps} steps, {self.head} head"


S = TypeVar("S", bound=Any)
"""A frozen dataclass of numbers and names, such as `Setting`, whose text is its name in the record."""


class Candidate(Protocol):
    """A learner that evaluates several settings, such as numbers of steps, in one run."""

    episodes_per_batch: int

    def tune(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Iterable[tuple[Any, Predictor]]:
        """Tune on support images [e, n, 3, h, w]; yield a predictor for each setting, to be used before the next."""
        ...


def choose_tuned(
    bench: Workbench, setting: type[S], recipe: Mapping[str, object], trials: int, candidates: Sequence[Candidate]
) -> S:
    """Return the setting of all candidates with the best mean accuracy."""

    def score(tasks: Sequence[ValidationEpisode]) -> dict[S, float]:
        scores: dict[S, float] = {}
        for candidate in candidates:
            scores |= mean_accuracies(tasks, candidate, lambda index: bench.rng("trial", index))
        return scores

    return choose(bench, setting, recipe, trials, score)


def choose(
    bench: Workbench,
    setting: type[S],
    recipe: Mapping[str, object],
    trials: int,
    score: Callable[[Sequence[ValidationEpisode]], Mapping[S, float]],
) -> S:
    """Return the setting with the best score on validation tasks, or the cached one for this recipe."""

    def make() -> Mapping[str, object]:
        scores = score(bench.validation_episodes(trials))
        best = max(scores, key=lambda candidate: scores[candidate])
        return {**asdict(best), "validation_accuracy": {str(key): round(score, 4) for key, score in scores.items()}}

    full = {**recipe, "trials": trials, "sources": bench.track.sources}
    cached: Mapping[str, Any] = bench.cached_json("choosing", full, make)
    best: S = setting(**{field.name: cached[field.name] for field in fields(setting)})
    return best


def mean_accuracies(
    tasks: Sequence[ValidationEpisode], candidate: Candidate, rng: Callable[[int], Generator]
) -> dict[Any, float]:
    """Tune on validation tasks, a few together, and return the mean accuracy of each yielded setting."""
    import torch

    totals: dict[Any, float] = {}
    for start in range(0, len(tasks), candidate.episodes_per_batch):
        group = tasks[start : start + candidate.episodes_per_batch]
        support = torch.stack([task.support.images for task in group])  # [e, n, 3, h, w]
        query = torch.stack([task.query.images for task in group])  # [e, q, 3, h, w]
        labels = torch.stack([task.query.labels for task in group])  # [e, q]
        rngs = [rng(index) for index in range(start, start + len(group))]
        for setting, predict in candidate.tune(support, group[0].way, rngs):
            with torch.no_grad():
                accuracies = (predict(query).argmax(-1) == labels).double().mean(1)  # [e]
            totals[setting] = totals.get(setting, 0.0) + float(accuracies.sum())
    return {setting: total / len(tasks) for setting, total in totals.items()}
