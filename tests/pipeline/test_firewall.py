"""A method gets what it declared; other access to images, pools and labels is refused and recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from freeshot import Learner, Method, Needs, Workbench
from freeshot.basics.errors import SealedError
from freeshot.pipeline.workbench import OPEN, RestrictedWorkbench
from freeshot.pool.store import open_pool
from freeshot.records.models import RunRecord
from freeshot.render import render
from freeshot.testing.toy import POOL, ToyWaves

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Toy

ROOT: Any = None
"""The toy pictures need no folder."""


class AccessingLearner(Learner):
    """Embeds after an access."""

    def __init__(self, access: Callable[[], object] = lambda: None) -> None:
        self._access = access

    def embed(self, images: Tensor) -> Tensor:
        """Access, then flatten."""
        self._access()
        return images.flatten(1)


@dataclass(frozen=True)
class Curious(Method):
    """Access something during the preparation."""

    name = "curious"
    access = staticmethod(lambda bench: None)

    def prepare(self, bench: Workbench) -> Learner:
        """Access it."""
        self.access(bench)
        return AccessingLearner()


def made(access: Callable[[Any], object], needs: frozenset[Needs] = frozenset()) -> type[Method]:
    fields = {
        "__doc__": "Access.",
        "__module__": __name__,
        "access": staticmethod(access),
        "needs": needs,
        "name": "curious",
    }
    return dataclass(frozen=True)(type("Made", (Curious,), fields))


def record_of(toy: Toy, method: type[Method]) -> RunRecord:
    toy.offer(methods=[method])
    return toy.record("curious")


@pytest.mark.parametrize(
    ("access", "what"),
    [
        (lambda bench: ToyWaves().load("novel", ROOT), "The novel classes of 'toy-waves'"),
        (lambda bench: ToyWaves().load("base", ROOT), "The base classes of 'toy-waves'"),
        (lambda bench: open_pool(POOL), "The pool in "),
        (lambda bench: bench.pool(), "which it did not declare. Add Needs.POOL"),
        (lambda bench: bench.surrogates(None, None, 3), "which it did not declare. Add Needs.POOL"),
        (lambda bench: bench.oracles(), "which it did not declare. Add Needs.QUERIES"),
        (lambda bench: bench.base_tasks(flip=False), "which it did not declare. Add Needs.BASE_IMAGES"),
        (lambda bench: bench.validation_episodes(3), "which it did not declare. Add Needs.VALIDATION"),
    ],
)
def test_undeclared_access_is_refused_and_on_record(toy: Toy, access: Callable[[Any], object], what: str) -> None:
    record = record_of(toy, made(access))
    assert record.status == "violated"
    assert what in record.reason
    assert record.interval is None
    assert not record.accuracies


def test_a_violation_has_no_result_on_the_board(toy: Toy) -> None:
    record = record_of(toy, made(lambda bench: ToyWaves().load("novel", ROOT)))
    page = render("markdown", [record])
    assert "must not be opened by method code" in page
    assert not re.search(r"\d ± \d", page)


def test_a_learner_cannot_open_images_while_it_is_scored(toy: Toy) -> None:
    @dataclass(frozen=True)
    class Late(Method):
        """Access test images later."""

        name = "curious"

        def prepare(self, bench: Workbench) -> Learner:
            """Return a learner that opens test images."""
            return AccessingLearner(lambda: ToyWaves().load("novel", ROOT))

    record = record_of(toy, Late)
    assert record.status == "violated"
    assert "The novel classes of 'toy-waves' must not be opened" in record.reason


def test_declared_access_is_granted(toy: Toy) -> None:
    record = record_of(toy, made(lambda bench: (bench.pool(), bench.base_tasks(flip=False)), frozenset(Needs)))
    assert record.status == "ok", record.reason


def test_after_a_method_access_is_granted_again(toy: Toy) -> None:
    record_of(toy, made(lambda bench: bench.pool()))
    assert len(ToyWaves().load("novel", ROOT))
    assert len(open_pool(POOL))


# --- the bench that is handed out ---------------------------------------------------------------


def test_a_bench_has_only_the_attributes_of_its_interface(toy: Toy) -> None:
    toy.offer(methods=[Curious])
    bench = RestrictedWorkbench(toy.bench(Curious()))
    assert set(dir(bench)) == OPEN
    assert {name for name in dir(bench) if hasattr(bench, name)} == OPEN
    for name in ("stages", "recovered", "method", "oracles_given", "context", "_context", "cell", "__dict__"):
        with pytest.raises(AttributeError, match=f"A workbench has no '{name}'"):
            getattr(bench, name)


def test_a_bench_cannot_be_changed(toy: Toy) -> None:
    toy.offer(methods=[Curious])
    bench: Any = RestrictedWorkbench(toy.bench(Curious()))
    for name in ("way", "method", "mine"):
        with pytest.raises(AttributeError, match="is read-only"):
            setattr(bench, name, 3)


# --- the pool behind a service ------------------------------------------------------------------


def test_services_return_logits_count_queries_and_give_no_gradient(toy: Toy) -> None:
    from freeshot.engine import BankTeacher

    method = made(lambda bench: None, frozenset({Needs.QUERIES}))
    toy.offer(methods=[method])
    bench = toy.bench(method())
    (first, *_) = oracles = bench.oracles()
    assert len(oracles) == 4
    images = torch.rand(3, 3, first.image_size, first.image_size, requires_grad=True)
    printed = first.logits(images)
    assert not printed.requires_grad
    assert first.queries == 3
    first.logits(images[:1])
    assert first.queries == 4
    open_bench = toy.bench(made(lambda bench: None, frozenset({Needs.POOL}))())
    entry = open_bench.pool().entries[0]
    backbone = open_bench._context.backbone(open_bench.cell.spec.backbone)
    assert torch.equal(printed, BankTeacher(backbone, [entry]).plain_logits(images.detach()))
    assert first.classes == entry.classes


def test_a_service_shows_no_weights(toy: Toy) -> None:
    method = made(lambda bench: None, frozenset({Needs.QUERIES}))
    toy.offer(methods=[method])
    oracle = toy.bench(method()).oracles()[0]
    shown = [getattr(oracle, name) for name in dir(oracle) if not name.startswith("_")]
    assert not [value for value in shown if isinstance(value, (Tensor, torch.nn.Module))]


def test_queries_are_on_record(toy: Toy) -> None:
    def send_queries(bench: Any) -> None:
        for images in (5, 2):  # services that are requested again are counted as well
            for oracle in bench.oracles():
                oracle.logits(torch.zeros(images, 3, oracle.image_size, oracle.image_size))

    record = record_of(toy, made(send_queries, frozenset({Needs.QUERIES})))
    assert record.status == "ok", record.reason
    assert {stage.stage: stage.facts for stage in record.stages}["queries"] == {"queries": 28}
    assert "pool" in record.hashes


def test_a_method_that_declares_only_queries_gets_no_lora(toy: Toy) -> None:
    record = record_of(toy, made(lambda bench: bench.pool(), frozenset({Needs.QUERIES})))
    assert (record.status, record.interval) == ("violated", None)


def test_the_guard_names_the_need_to_declare(tmp_path: Path) -> None:
    from freeshot.basics.access_guard import access_allowed, access_blocked

    with access_blocked(), pytest.raises(SealedError, match="Declare the need"):
        open_pool(tmp_path)
    with access_blocked(), access_allowed():
        assert len(ToyWaves().load("base", tmp_path))
