"""A record's cell is rebuilt from the installed plugins; each difference is reported in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.basics.errors import StoreError
from freeshot.contracts.method import Learner, Method
from freeshot.records.models import ComponentSpec, RunRecord
from freeshot.workflows.reproduce import Rebuilt, rebuild

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.contracts.method import Workbench


@dataclass(frozen=True)
class Stub(Method):
    """Take the backbone as it is."""

    name = "stub"
    strength: float = 1.0
    """Of nothing."""

    def prepare(self, bench: Workbench) -> Learner:
        """Return it."""
        return bench.frozen()


@pytest.fixture
def stub(toy: Toy) -> RunRecord:
    toy.offer(methods=[Stub])
    return toy.record("stub")


def rebuilt(toy: Toy, record: RunRecord) -> Rebuilt:
    return rebuild(record, toy.catalogue, toy.request())


def changed(record: RunRecord, **update: Any) -> RunRecord:
    """Return the record as another FreeShot would have written it."""
    spec = record.spec.model_copy(update=update)
    return record.model_copy(update={"spec": spec, "cell": spec.cell})


def test_a_record_that_was_just_made_is_rebuilt_as_the_same_cell(toy: Toy, stub: RunRecord) -> None:
    actual = rebuilt(toy, stub)
    assert actual.differences == ()
    assert actual.cell is not None
    assert actual.cell.spec.cell == stub.cell


@pytest.mark.parametrize(
    ("method", "weight", "sentence"),
    [
        (
            {"name": "stab"},
            "cell",
            "The method 'stab' of freeshot-stub 1.0 is not available. No method is called 'stab'.",
        ),
        (
            {"origin": "freeshot-stub 0.9"},
            "version",
            "The method 'stub' is of freeshot-stub 0.9 on record, of freeshot-",
        ),
        ({"origin": "mine 1.0"}, "cell", "The method 'stub' is of mine 1.0 on record, of freeshot-stub 1.0 here."),
        ({"options": {}}, "cell", "The method 'stub' has strength unset on record, 1.0 here."),
        ({"options": {"strange": 1}}, "cell", "No option of 'stub' is called 'strange'."),
    ],
)
def test_another_method_is_reported_in_one_sentence(
    toy: Toy, stub: RunRecord, method: dict[str, Any], weight: str, sentence: str
) -> None:
    (difference,) = rebuilt(toy, changed(stub, method=stub.spec.method.model_copy(update=method))).differences
    assert difference.weight == weight
    assert difference.text.startswith(sentence)


@pytest.mark.parametrize(
    ("track", "sentence"),
    [
        ({"version": 2}, "The track 'toy/in-domain/2w1s' has version 2 on record, 1 here."),
        ({"query": 4}, "The track 'toy/in-domain/2w1s' has query 4 on record, 3 here."),
        ({"episodes_sha256": "ee"}, 'The track \'toy/in-domain/2w1s\' has episodes_sha256 "ee" on record, "" here.'),
        ({"name": "gone"}, "The track 'gone' is not available. Install its plugin."),
    ],
)
def test_another_track_is_reported_in_one_sentence(
    toy: Toy, stub: RunRecord, track: dict[str, Any], sentence: str
) -> None:
    (difference,) = rebuilt(toy, changed(stub, track=stub.spec.track.model_copy(update=track))).differences
    assert (difference.weight, difference.text) == ("cell", sentence)


def test_another_default_of_a_part_is_reported_in_one_sentence(toy: Toy) -> None:
    record = toy.record("lora-recycle")
    learner = record.spec.components["learner"]
    other = learner.model_copy(update={"options": learner.options | {"iterations": 77}})
    actual = rebuilt(toy, changed(record, components=record.spec.components | {"learner": other})).differences
    assert [d.text for d in actual] == [f"The {learner.kind} '{learner.name}' has iterations 77 on record, 3 here."]


def test_a_missing_part_is_reported_in_one_sentence(toy: Toy, stub: RunRecord) -> None:
    origin = toy.catalogue.origin("meta-learner", "prototype")
    extra = {"helper": ComponentSpec(kind="meta-learner", name="prototype", origin=origin)}
    (difference,) = rebuilt(toy, changed(stub, components=extra)).differences
    assert difference.text == "The meta-learner 'prototype' is part of the method on record only."


def test_another_hash_and_another_package_are_reported_in_one_sentence_each(toy: Toy, stub: RunRecord) -> None:
    made = stub.provenance.model_copy(update={"packages": stub.provenance.packages | {"torch": "0.1"}})
    other = stub.model_copy(update={"hashes": stub.hashes | {"backbone": "b" * 64}, "provenance": made})
    actual = rebuilt(toy, other).differences
    assert [d.weight for d in actual] == ["cell", "surroundings"]
    assert actual[0].text.startswith("The record's hash of backbone is bbbbbbbbbbbb, here it is ")
    assert actual[1].text.startswith("It was made with torch 0.1, here is ")


def test_a_record_without_accuracies_is_refused(toy: Toy) -> None:
    @dataclass(frozen=True)
    class Clumsy(Stub):
        """Raise."""

        name = "clumsy"

        def prepare(self, bench: Workbench) -> Learner:
            """Divide by zero."""
            raise ZeroDivisionError

    toy.offer(methods=[Clumsy])
    with pytest.raises(StoreError, match="The record is failed and has no accuracies to compare with: ZeroDivision"):
        rebuilt(toy, toy.record("clumsy"))


def test_a_limited_record_is_rebuilt_with_its_limit(toy: Toy) -> None:
    record = toy.record("frozen-prototype", limit=3)
    actual = rebuilt(toy, record)
    assert actual.cell is not None
    assert (actual.cell.spec.limit, actual.differences) == (3, ())
