"""Rules that hold for several kinds: no effect on the frozen network, and none that survives an interrupt."""

from __future__ import annotations

from typing import Any

from freeshot.testing.contract import inversion, meta_learner, method
from freeshot.testing.contract.fixtures import network_unmodified
from freeshot.testing.contract.rules import BrokenError, Subject, rule

RUNS: dict[str, Any] = {
    "inversion": inversion.inverted,
    "meta-learner": meta_learner.trained,
    "method": method.accuracies,
}
"""Functions that run a subject of a kind; they take `on_step`."""


@rule("does not modify the network: weights, gradients, hooks", "inversion", "meta-learner")
def _network_stays(subject: Subject) -> None:
    with network_unmodified(subject.world.backbone):
        RUNS[subject.kind](subject)


@rule("can be interrupted", *RUNS)
def _interruption(subject: Subject) -> None:
    reached = []

    def interrupt(done: int, _: int) -> None:
        reached.append(done)
        if len(reached) == 1:
            raise KeyboardInterrupt

    try:
        RUNS[subject.kind](subject, on_step=interrupt)
    except KeyboardInterrupt:
        return
    if reached:
        raise BrokenError("It continued after an interrupt. Do not catch KeyboardInterrupt or BaseException.")
