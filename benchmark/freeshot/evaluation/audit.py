"""Score a sample of episodes again, shown differently, and check that the predictions follow the images.

An honest learner classifies a query by its pixels and by the support set. Its predictions therefore stay the same when
queries are shown in another order or without half of the others, when the classes of the support set are numbered
differently, and when episodes are scored alone and in another sequence. All of this is changed at once, so that each
episode of the sample is scored once more and no oftener; only where predictions move is each change tried by itself, to
name the cause. What is changed comes from the operating system's entropy: no learner can prepare for it.

Axes: s episodes of the sample, k queries of them that are shown, c classes.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from freeshot.contracts.flow import Episode
    from freeshot.evaluation.judging import Judged

SAMPLE = 20
"""Episodes that are scored again; all of them where a cell has fewer."""
ALONE = 4
"""Episodes of the sample that are scored one by one; the others in groups, which costs less."""
FEW = 6
"""Episodes on which the numbering of classes is judged by itself, for learners that may vary with it."""
MOVED = 0.01
"""Change of a probability from which on a prediction counts as moved.

Sums in another order change float32 logits by about 1e-6 of their size, and ten steps of Adam amplify that to some
1e-4 in a probability; what a learner reads from order, neighbours or earlier episodes moves probabilities by tenths.
"""
TOLERATED = 0.02
"""Share of moved queries that is tolerated, and one query at least: votes and nearest neighbours jump where two
distances are equal up to rounding, and a learner gains nothing from so few."""
SIGNIFICANT = 12.0
"""Student's t over FEW episodes beyond which numbering counts; honest rows reach it once in 28,000 cells."""


@dataclass(frozen=True)
class Variation:
    """What is shown differently."""

    order: bool = False
    """Queries in another order."""
    company: bool = False
    """Only half of the queries."""
    numbering: bool = False
    """Every class with another number."""


REPLAY = Variation()
"""The same episode in the same way, at another time and without the episodes that it was scored with."""
EVERYTHING = Variation(order=True, company=True, numbering=True)


@dataclass(frozen=True)
class Shown:
    """An episode as it is shown to a learner."""

    episode: Episode
    queries: tuple[int, ...]
    """Positions in the episode's list of queries, in the order shown [k]."""
    classes: tuple[int, ...]
    """Position of the episode's class that has number 0, 1, … [c]."""

    @property
    def answers(self) -> NDArray[np.int64]:
        """Number that the true class of each query has here [k]."""
        listed = np.asarray(self.queries) // (len(self.episode.query) // len(self.classes))
        numbers: NDArray[np.int64] = np.argsort(self.classes)[listed]
        return numbers

    @property
    def support(self) -> list[int]:
        """Image indices of the support set [n], in the order of the classes shown."""
        blocks = np.asarray(self.episode.support).reshape(len(self.classes), -1)
        rows: list[int] = blocks[list(self.classes)].ravel().tolist()
        return rows

    @property
    def query(self) -> list[int]:
        """Image indices of the queries shown [k]."""
        return [self.episode.query[i] for i in self.queries]


class Rescore(Protocol):
    """Scores episodes as they are shown; all show equally many queries."""

    together: int
    """How many episodes are worth scoring at once."""
    drew: bool
    """Whether random numbers were drawn while scoring."""

    def __call__(self, shown: Sequence[Shown]) -> Tensor:
        """Return logits [s, k, c] in the order of queries and classes shown."""
        ...

    def order_of(self, episode: Episode) -> Sequence[int]:
        """Return positions of an episode's queries [q] in the order in which the run showed them."""
        ...


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of queries, as far as predictions are compared."""

    right: NDArray[np.bool_]
    """[s, k]."""
    truth: NDArray[np.float64]
    """Probability of the true class [s, k]."""
    confidence: NDArray[np.float64]
    """Probability of the likeliest class [s, k]."""

    @classmethod
    def of_run(cls, run: Judged, episodes: Sequence[int]) -> Outcomes:
        """Take those of some episodes from a run, queries in the order of the episode list [s, q]."""
        rows = list(episodes)
        truth = 1 / (1 + np.exp(run.log_odds[rows].astype(np.float64)))
        return cls(run.right[rows], truth, run.confidence[rows].astype(np.float64))

    @classmethod
    def of_logits(cls, logits: Tensor, shown: Sequence[Shown]) -> Outcomes:
        """Compare logits [s, k, c] of episodes as shown with the true classes."""
        scores = logits.double().numpy()
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        probabilities = odds / odds.sum(-1, keepdims=True)
        answers = np.stack([one.answers for one in shown])  # [s, k]
        truth = np.take_along_axis(probabilities, answers[..., None], -1)[..., 0]
        return cls(scores.argmax(-1) == answers, truth, probabilities.max(-1))

    def at(self, queries: NDArray[np.int64]) -> Outcomes:
        """Pick queries by their positions [s, k]."""
        right, truth, confidence = self.right, self.truth, self.confidence
        return Outcomes(*(np.take_along_axis(values, queries, 1) for values in (right, truth, confidence)))  # type: ignore[arg-type]

    def moved(self, other: Outcomes) -> NDArray[np.bool_]:
        """Tell which predictions differ by more than rounding [s, k]."""
        gaps = np.maximum(np.abs(self.truth - other.truth), np.abs(self.confidence - other.confidence))
        differ: NDArray[np.bool_] = gaps > MOVED
        return differ


@dataclass(frozen=True, eq=False)
class Rescored:
    """Episodes that were shown again."""

    queries: NDArray[np.int64]
    """Positions of the queries shown, in the order shown [s, k]."""
    outcomes: Outcomes

    def moved(self, base: Outcomes) -> NDArray[np.bool_]:
        """Compare with outcomes of all queries [s, q] in the order of the episode list: [s, k]."""
        return self.outcomes.moved(base.at(self.queries))

    def listed(self) -> Outcomes:
        """Return the outcomes in the order of the episode list; every query must have been shown."""
        return self.outcomes.at(self.queries.argsort(1))


@dataclass(frozen=True, eq=False)
class Audit:
    """How the audit of a cell came out."""

    episodes: int
    """How many were scored again."""
    moved: Mapping[str, float]
    """What was changed → share of predictions that moved."""
    reasons: tuple[str, ...] = ()
    """A sentence for each dependence that is not allowed."""


@dataclass(frozen=True)
class Cause:
    """A single change, and what is reported where it moves predictions."""

    variation: Variation
    depends_on: str
    when: str
    advice: str

    def sentence(self, moved: NDArray[np.bool_]) -> str:
        """Report how many predictions moved [s, k]."""
        count = f"{int(moved.sum())} of {moved.size} predictions moved"
        return f"Predictions depend on {self.depends_on}: {count} {self.when}. {self.advice}"


OTHER_EPISODES = Cause(
    REPLAY,
    "other episodes or on earlier calls",
    "when their episodes were scored again, alone or in another sequence",
    "Keep nothing from one episode to the next.",
)
CAUSES = {
    "query order": Cause(
        Variation(order=True),
        "the order of the queries",
        "when the same queries were shown in another order",
        "Score each query by its image.",
    ),
    "other queries": Cause(
        Variation(company=True),
        "the other queries of the episode",
        "when half of the queries were left out",
        "Declare transductive = True, or score each query by itself.",
    ),
    "class numbers": Cause(
        Variation(numbering=True),
        "how the classes are numbered",
        "when the support set listed its classes in another order",
        "Recognise classes by the support images alone.",
    ),
}
"""What can be changed within an episode."""


def too_many(moved: NDArray[np.bool_]) -> bool:
    """Tell whether more predictions moved than rounding explains."""
    return int(moved.sum()) > max(1, int(TOLERATED * moved.size))


def gains_by_numbering(run: NDArray[np.bool_], again: NDArray[np.bool_]) -> bool:
    """Tell whether numbers of classes helped: which queries were right in the run [s, k], and which renumbered.

    For learners that start at random numbers, or that learned what numbers mean: renumbering moves their predictions
    as another seed would, but must not cost accuracy. Judged by Student's t over episodes.
    """
    gains = run.mean(1) - again.mean(1)  # [s]
    if len(gains) < 2:
        return False  # one episode has no error to judge by
    mean, error = float(gains.mean()), float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return mean > SIGNIFICANT * error if error > 0 else mean > 0


@dataclass(eq=False)
class Auditor:
    """Shows episodes of a finished run again and compares the outcomes."""

    rescore: Rescore
    run: Judged
    """How the queries of all episodes were taken in the run."""
    episodes: Sequence[Episode]
    transductive: bool = False
    """Whether the learner may look at the queries of an episode together: all are shown then, as in the run."""
    numbered: bool = False
    """Whether the learner declares that its predictions vary with the numbers of classes."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(list(os.urandom(32))))

    def audit(self) -> Audit:
        """Score a sample again, and name every cause where predictions moved."""
        sample = self.rng.permutation(len(self.episodes))[:SAMPLE].tolist()
        change = REPLAY if self.transductive else EVERYTHING
        pilot = self._moved(sample[:1], change, alone=1)
        if too_many(pilot) and self._may_vary:
            return self._audit_apart(sample)
        moved = pilot
        if rest := sample[1:]:
            moved = np.concatenate([pilot, self._moved(rest, change, alone=ALONE - 1)])
        if too_many(moved):
            return self._audit_apart(sample) if self._may_vary else self._named(sample)
        return Audit(len(sample), {"everything": _share(moved)})

    @property
    def _may_vary(self) -> bool:
        """True where other numbers of classes may move predictions as another seed would."""
        return not self.transductive and (self.numbered or self.rescore.drew)

    def _audit_apart(self, sample: Sequence[int]) -> Audit:
        """Change the numbers of classes apart from the rest, for learners that may vary with them."""
        moved = self._moved(sample, Variation(order=True, company=True), alone=ALONE - 1)
        if too_many(moved):
            return self._named(sample)
        renumbered, reasons = self._renumbered(sample[:FEW])
        shares = {"query order and other queries": _share(moved), "class numbers": _share(renumbered)}
        return Audit(len(sample), shares, reasons)

    def _renumbered(self, few: Sequence[int]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Return which predictions moved with the numbers [s, k], and a reason where these decided what was right."""
        cause = CAUSES["class numbers"]
        again, run = self._again(few, cause.variation, alone=0), Outcomes.of_run(self.run, few)
        moved = again.moved(run)
        gains = gains_by_numbering(run.at(again.queries).right, again.outcomes.right)
        return moved, (cause.sentence(moved),) if gains else ()

    def _named(self, sample: Sequence[int]) -> Audit:
        """Try one change after the other, each against the same episodes scored alone, and name every cause."""
        replay = self._again(sample, REPLAY, alone=len(sample))
        moved = {"other episodes": replay.moved(Outcomes.of_run(self.run, sample))}
        causes = {"other episodes": OTHER_EPISODES}
        if not too_many(moved["other episodes"]) and not self.transductive:
            causes |= {name: c for name, c in CAUSES.items() if not (c.variation.numbering and self._may_vary)}
            base = replay.listed()
            for name in causes.keys() - moved.keys():
                moved[name] = self._again(sample, causes[name].variation, alone=len(sample)).moved(base)
        named = [name for name in causes if too_many(moved[name])]
        named = named or [max(causes, key=lambda name: moved[name].mean())]  # together they moved too many
        reasons = tuple(causes[name].sentence(moved[name]) for name in named)
        return Audit(len(sample), {name: _share(moved[name]) for name in causes}, reasons)

    def _moved(self, positions: Sequence[int], variation: Variation, *, alone: int) -> NDArray[np.bool_]:
        """Show episodes again and compare with the run: [s, k]."""
        return self._again(positions, variation, alone=alone).moved(Outcomes.of_run(self.run, positions))

    def _again(self, positions: Sequence[int], variation: Variation, *, alone: int) -> Rescored:
        """Show episodes again, the first `alone` of them one by one and the others in groups."""
        shown = [self._shown(self.episodes[i], variation) for i in positions]
        step = max(1, self.rescore.together)
        groups = [[one] for one in shown[:alone]]
        groups += [shown[start : start + step] for start in range(alone, len(shown), step)]
        parts = [Outcomes.of_logits(self.rescore(group), group) for group in groups]
        return Rescored(np.array([one.queries for one in shown], dtype=np.int64), _joined(parts))

    def _shown(self, episode: Episode, variation: Variation) -> Shown:
        """Apply a variation to one episode, at random."""
        queries, way = np.asarray(self.rescore.order_of(episode)), len(episode.classes)
        if variation.company:
            half = self.rng.permutation(len(queries))[: (len(queries) + 1) // 2]
            queries = queries[np.sort(half)]  # in the order of the run
        if variation.order:
            queries = self.rng.permutation(queries)
        classes = np.arange(way)
        if variation.numbering:
            ring = self.rng.permutation(way)
            classes[ring] = np.roll(ring, 1)  # one cycle: no class keeps its number
        return Shown(episode, tuple(queries.tolist()), tuple(classes.tolist()))


def _joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Put outcomes one after the other."""
    names = ("right", "truth", "confidence")
    return Outcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _share(moved: NDArray[np.bool_]) -> float:
    return round(float(moved.mean()), 6) if moved.size else 0.0
