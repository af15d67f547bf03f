"""Score a sample of episodes again with varied presentation, and check that predictions depend on the images only.

An honest learner classifies a query by its pixels and the support set. Its predictions therefore stay the same when
queries are reordered or half of them are removed, when the classes of the support set are renumbered, and when episodes
are scored alone and in another sequence. All of this is changed at once, so that each episode of the sample is scored
only once more; if predictions change, each variation is tested separately to find the cause. Variations are drawn from
the operating system's entropy, so that no learner can prepare for them.

Axes: s episodes of the sample, k queries of them that are shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from freeshot.contracts.tensors import Episode
from freeshot.evaluation.metrics import QueryOutcomes
from freeshot.evaluation.outcomes import Outcomes, Rescored, gains_by_numbering, joined, too_many
from freeshot.evaluation.variations import EVERYTHING, REPLAY, Rescore, Variation, show

SAMPLE = 20
"""Episodes that are scored again; all of them if a cell has fewer."""
ALONE = 4
"""Episodes of the sample that are scored one by one; the others are scored in groups, which is cheaper."""
FEW = 6
"""Episodes on which class numbering is tested separately, for learners that may depend on it."""


@dataclass(frozen=True, eq=False)
class Audit:
    """Result of the audit of a cell."""

    episodes: int
    changed: Mapping[str, float]
    """Variation → share of predictions that changed."""
    reasons: tuple[str, ...] = ()
    """One sentence for each dependence that is not allowed."""


@dataclass(frozen=True)
class Cause:
    """A single variation, and the sentence for a violation."""

    variation: Variation
    depends_on: str
    when: str
    advice: str

    def sentence(self, moved: NDArray[np.bool_]) -> str:
        """Format the violation with the number of changed predictions [s, k]."""
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
"""Variations within an episode."""


@dataclass(eq=False)
class Auditor:
    """Scores episodes of a finished run again and compares the outcomes."""

    rescore: Rescore
    run: QueryOutcomes
    """Outcomes of the queries of all episodes in the run."""
    episodes: Sequence[Episode]
    transductive: bool = False
    """Whether the learner may use the queries of an episode jointly: all are shown then, as in the run."""
    numbered: bool = False
    """Whether the learner declares that its predictions depend on class numbers."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(list(os.urandom(32))))

    def audit(self) -> Audit:
        """Score a sample again, and find every cause if predictions changed."""
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
        """True if other class numbers may change predictions as another seed would."""
        return not self.transductive and (self.numbered or self.rescore.drew)

    def _audit_apart(self, sample: Sequence[int]) -> Audit:
        """Vary class numbers separately from the rest, for learners that may depend on them."""
        moved = self._moved(sample, Variation(order=True, company=True), alone=ALONE - 1)
        if too_many(moved):
            return self._named(sample)
        renumbered, reasons = self._renumbered(sample[:FEW])
        shares = {"query order and other queries": _share(moved), "class numbers": _share(renumbered)}
        return Audit(len(sample), shares, reasons)

    def _renumbered(self, few: Sequence[int]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Return which predictions changed with class numbers [s, k], and a reason if they raised accuracy."""
        cause = CAUSES["class numbers"]
        again, run = self._again(few, cause.variation, alone=0), Outcomes.of_run(self.run, few)
        moved = again.moved(run)
        gains = gains_by_numbering(run.at(again.queries).right, again.outcomes.right)
        return moved, (cause.sentence(moved),) if gains else ()

    def _named(self, sample: Sequence[int]) -> Audit:
        """Test one variation after the other, each against the same episodes scored alone, and name every cause."""
        replay = self._again(sample, REPLAY, alone=len(sample))
        moved = {"other episodes": replay.moved(Outcomes.of_run(self.run, sample))}
        causes = {"other episodes": OTHER_EPISODES}
        if not self.transductive and self._is_steady(sample, replay):
            causes |= {name: c for name, c in CAUSES.items() if not (c.variation.numbering and self._may_vary)}
            base = replay.listed()
            for name in causes.keys() - moved.keys():
                moved[name] = self._again(sample, causes[name].variation, alone=len(sample)).moved(base)
        named = [name for name in causes if too_many(moved[name])]
        named = named or [max(causes, key=lambda name: moved[name].mean())]  # only together they changed too many
        reasons = tuple(causes[name].sentence(moved[name]) for name in named)
        return Audit(len(sample), {name: _share(moved[name]) for name in causes}, reasons)

    def _is_steady(self, sample: Sequence[int], replay: Rescored) -> bool:
        """Return whether repeated calls give the same predictions, which the other comparisons need."""
        if not too_many(replay.moved(Outcomes.of_run(self.run, sample))):
            return True
        return not too_many(self._again(sample, REPLAY, alone=len(sample)).moved(replay.listed()))

    def _moved(self, positions: Sequence[int], variation: Variation, *, alone: int) -> NDArray[np.bool_]:
        return self._again(positions, variation, alone=alone).moved(Outcomes.of_run(self.run, positions))

    def _again(self, positions: Sequence[int], variation: Variation, *, alone: int) -> Rescored:
        """Score episodes again, the first `alone` of them one by one and the others in groups."""
        episodes = [self.episodes[i] for i in positions]
        shown = [show(episode, variation, self.rescore.order_of(episode), self.rng) for episode in episodes]
        step = max(1, self.rescore.episodes_per_batch)
        groups = [[episode] for episode in shown[:alone]]
        groups += [shown[start : start + step] for start in range(alone, len(shown), step)]
        parts = [Outcomes.of_logits(self.rescore(group), group) for group in groups]
        return Rescored(np.array([episode.queries for episode in shown], dtype=np.int64), joined(parts))


def _share(moved: NDArray[np.bool_]) -> float:
    return round(float(moved.mean()), 6) if moved.size else 0.0
