"""Grid search: every setting on the same validation tasks; the best mean accuracy wins."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Generator, Tensor

    from freeshot import Predictor, Trial, Workbench


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

if TYPE_CHECKING:
    Tune: TypeAlias = Callable[[Tensor, int, Sequence[Generator]], Iterable[tuple[S, Predictor]]]
    """Tunes on support images [e, n, 3, h, w] and yields a predictor for each setting; use it before the next one."""


def choose(
    bench: Workbench,
    setting: type[S],
    recipe: Mapping[str, object],
    trials: int,
    score: Callable[[Sequence[Trial]], Mapping[S, float]],
) -> S:
    """Return the setting with the best score on validation trials, or the cached one for this recipe."""

    def make() -> Mapping[str, object]:
        scores = score(bench.validation_trials(trials))
        best = max(scores, key=lambda one: scores[one])
        return {**asdict(best), "validation_accuracy": {str(one): round(score, 4) for one, score in scores.items()}}

    full = {**recipe, "trials": trials, "sources": bench.track.sources}
    chosen: Mapping[str, Any] = bench.remember("choosing", full, make)
    found: S = setting(**{field.name: chosen[field.name] for field in fields(setting)})
    return found


def mean_accuracies(
    trials: Sequence[Trial], together: int, tune: Tune[S], rng: Callable[[int], Generator]
) -> dict[S, float]:
    """Tune on trials, `together` at a time, and return the mean accuracy of each yielded setting."""
    import torch

    totals: dict[S, float] = {}
    for start in range(0, len(trials), together):
        group = trials[start : start + together]
        support, query = (torch.stack([getattr(t, part).images for t in group]) for part in ("support", "query"))
        answers = torch.stack([trial.query.labels for trial in group])  # [e, q]
        rngs = [rng(place) for place in range(start, start + len(group))]
        for setting, predict in tune(support, group[0].way, rngs):
            with torch.no_grad():
                right = (predict(query).argmax(-1) == answers).double().mean(1)  # [e]
            totals[setting] = totals.get(setting, 0.0) + float(right.sum())
    return {setting: total / len(trials) for setting, total in totals.items()}
