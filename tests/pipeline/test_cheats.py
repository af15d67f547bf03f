"""Every cheat of the gallery ends without a number, with the reason in its record; honest learners pass the audit."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import torch
from tests.pipeline.cheats import (
    GALLERY,
    Flat,
    HeadIsTransductive,
    HeadStoresEpisodes,
    handing,
    means,
    method,
    restore_weights,
)

from freeshot import Learner
from freeshot.pool.store import open_pool
from freeshot.render import render
from freeshot.testing.toy import POOL, ToyWaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.conftest import Toy
    from torch import Generator, Tensor

    from freeshot import Method, Predictor, Shots, Workbench
    from freeshot.records.models import RunRecord


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    restore_weights()


def record_of(toy: Toy, cheat: type[Method], track: str = "toy/in-domain/2w2s") -> RunRecord:
    toy.offer(methods=[cheat])
    return toy.record("cheat", track=track, suite=None)


@pytest.mark.parametrize("title", GALLERY)
def test_a_cheat_is_violated_and_its_record_gives_the_reason(toy: Toy, title: str) -> None:
    cheat, reason = GALLERY[title]
    record = record_of(toy, cheat)
    assert record.status == "violated", record.reason
    assert re.search(reason, record.reason), record.reason
    assert record.interval is None
    assert not record.accuracies
    assert not re.search(r"\d ± \d", render("markdown", [record]))


def test_functions_that_a_cheat_replaced_are_restored(toy: Toy) -> None:
    argmax, classify = torch.argmax, Learner.classify
    for number, title in enumerate(("patches torch.argmax", "patches a class", "exchanges code", "hides a builtin")):
        world = type(toy)(toy.folder / str(number), toy.catalogue)
        with suppress(AssertionError):  # the first plugin of this name stays; its class is exchanged
            record_of(world, GALLERY[title][0])
    assert torch.argmax is argmax
    assert Learner.classify is classify


def test_a_record_names_every_attempt(toy: Toy) -> None:
    def prepare(bench: Workbench) -> Learner:
        for attempt in (
            bench.pool,
            bench.oracles,
            lambda: ToyWaves().load("base", toy.folder),
            lambda: open_pool(POOL),
        ):
            with suppress(Exception):
                attempt()
        raise KeyError("something else")

    record = record_of(toy, method(prepare))
    assert record.status == "violated"
    for part in (
        "requested the pool",
        "requested the queries",
        "base classes of 'toy-waves'",
        "The pool in",
        "KeyError",
    ):
        assert part in record.reason


# --- what is allowed --------------------------------------------------------------------------------


class Transductive(HeadIsTransductive):
    """Do the same and declare it."""

    transductive = True


def test_declared_transduction_is_a_tag_and_not_a_violation(toy: Toy) -> None:
    record = record_of(toy, handing(Transductive))
    assert record.status == "ok", record.reason
    assert record.tags.transductive
    assert "transductive" in render("markdown", [record])


def test_a_transductive_learner_must_not_store_episodes(toy: Toy) -> None:
    class Storing(HeadStoresEpisodes):
        """Declare transduction, but store episodes."""

        transductive = True

    record = record_of(toy, handing(Storing))
    assert record.status == "violated"
    assert "Predictions depend on other episodes" in record.reason


class RandomStart(Learner):
    """Weigh pixels at random, differently for each number of a class."""

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Draw the weights from the stream given."""
        shown = support.images.flatten(1)
        noise = torch.randn(way, shown.shape[1], generator=rng) / 10

        def predict(images: Tensor) -> Tensor:
            flat = images.flatten(1)
            return 5 * means(shown.unsqueeze(0), flat.unsqueeze(0), way)[0] + flat @ noise.T

        return predict


def test_a_random_start_may_vary_with_the_numbers_of_classes(toy: Toy) -> None:
    record = record_of(toy, handing(RandomStart))
    assert record.status == "ok", record.reason
    assert record.audit is not None
    assert record.audit.changed["class numbers"] > 0.02
    assert record.audit.changed["query order and other queries"] == 0


def test_an_honest_record_holds_its_audit(toy: Toy) -> None:
    record = record_of(toy, handing(Flat))
    assert record.audit is not None
    assert record.audit.episodes == 20
    assert record.audit.changed == {"batch": 0, "everything": 0}
    assert not record.tags.transductive


def test_a_head_that_raises_in_the_audit_alone_is_failed(toy: Toy) -> None:
    class Bounded(Flat):
        """Refuse a single episode."""

        def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
            """Raise where there is one episode."""
            if len(support) == 1:
                raise RuntimeError("I want company")
            return means(support, query, way)

    record = record_of(toy, handing(Bounded))
    assert record.status == "failed"
    assert "I want company" in record.reason
    assert "audit" in record.reason
    assert record.interval is None


def test_a_bank_of_episodes_is_audited_in_groups_and_alone(toy: Toy) -> None:
    sizes: list[int] = []

    class Bank(Learner):
        """Tune seven episodes at once."""

        episodes_per_batch = 7

        def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
            """Take class means of pixels."""
            sizes.append(len(support))
            shown = support.flatten(2)
            return lambda images: means(shown, images.flatten(2), way)

    assert record_of(toy, handing(Bank)).status == "ok"
    assert sizes[:3] == [7, 7, 6]  # the run
    assert sizes[3:] == [1, 1, 1, 1, 7, 7, 2]  # the audit
