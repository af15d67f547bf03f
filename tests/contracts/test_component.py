"""Options are converted from strings to checked fields and back to JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeshot.basics.errors import OptionError
from freeshot.contracts.component import Choice, Component, build, describe_type, options_of, to_json

PROTO = Choice("learner", "proto", (("pace", 0.5),))


@dataclass(frozen=True)
class Base(Component):
    """Do something."""

    kind: ClassVar[str] = "thing"

    steps: int = 10
    """How many steps
    are taken."""
    lr: float = 0.1
    silent: bool = False


@dataclass(frozen=True)
class Thing(Base):
    """Do something more."""

    name = "thing"

    silent: bool = True
    """Say nothing."""
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[1, 2] = 1
    word: str = "a"
    layers: tuple[int, ...] = (1, 2)
    rates: tuple[float, ...] = ()
    names: list[str] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    limit: int | None = None
    learner: Choice = PROTO
    """Who learns."""


def built(**values: Any) -> Thing:
    return build(Thing, values)


def refusal(**values: Any) -> str:
    with pytest.raises(OptionError) as caught:
        build(Thing, values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("steps", "1_000", 1000),
        ("lr", "1e-3", 1e-3),
        ("lr", "2", 2.0),
        ("silent", "No", False),
        ("silent", "1", True),
        ("mode", "slow", "slow"),
        ("level", "2", 2),
        ("word", "b c", "b c"),
        ("layers", "3,4", (3, 4)),
        ("layers", "[3, 4]", (3, 4)),
        ("layers", "(5)", (5,)),
        ("layers", "", ()),
        ("rates", "1e-3, 2", (1e-3, 2.0)),
        ("names", "a, b", ["a", "b"]),
        ("weights", '{"a": 1}', {"a": 1.0}),
        ("limit", "7", 7),
        ("limit", "none", None),
        ("limit", "null", None),
        ("learner", "reptile", Choice("learner", "reptile")),
        ("learner", "proto", PROTO),
    ],
)
def test_a_string_becomes_a_value_of_the_fields_type(option: str, text: str, value: object) -> None:
    actual = getattr(build(Thing, {option: text}), option)
    assert (actual, type(actual)) == (value, type(value))


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("steps", "many", "Option 'steps' of 'thing' cannot be 'many'; expected int, for example 10."),
        ("steps", "1.5", "Option 'steps' of 'thing' cannot be '1.5'; expected int, for example 10."),
        ("steps", 1.0, "Option 'steps' of 'thing' cannot be 1.0; expected int, for example 10."),
        ("steps", True, "Option 'steps' of 'thing' cannot be True; expected int, for example 10."),
        ("steps", None, "Option 'steps' of 'thing' cannot be None; expected int, for example 10."),
        ("lr", "nan", "Option 'lr' of 'thing' cannot be 'nan'; expected float, for example 0.1."),
        ("lr", "inf", "Option 'lr' of 'thing' cannot be 'inf'; expected float, for example 0.1."),
        ("lr", False, "Option 'lr' of 'thing' cannot be False; expected float, for example 0.1."),
        ("silent", "maybe", "Option 'silent' of 'thing' cannot be 'maybe'; expected bool, for example True."),
        ("silent", 1, "Option 'silent' of 'thing' cannot be 1; expected bool, for example True."),
        ("mode", "quick", "Option 'mode' of 'thing' cannot be 'quick'; expected fast | slow, for example 'fast'."),
        ("level", 3, "Option 'level' of 'thing' cannot be 3; expected 1 | 2, for example 1."),
        ("word", 3, "Option 'word' of 'thing' cannot be 3; expected str, for example 'a'."),
        ("layers", "1,b", "Option 'layers' of 'thing' cannot be '1,b'; expected list of int, for example [1, 2]."),
        ("layers", 4, "Option 'layers' of 'thing' cannot be 4; expected list of int, for example [1, 2]."),
        ("limit", "all", "Option 'limit' of 'thing' cannot be 'all'; expected int | none, for example None."),
        ("weights", "[1]", "Option 'weights' of 'thing' cannot be '[1]'; expected dict, for example {}."),
        ("weights", "{", "Option 'weights' of 'thing' cannot be '{'; expected dict, for example {}."),
    ],
)
def test_a_wrong_value_is_explained_in_a_full_sentence(option: str, value: object, sentence: str) -> None:
    assert refusal(**{option: value}) == sentence


@pytest.mark.parametrize("value", [3, None, {}, {"options": {}}, ["proto"]])
def test_a_value_that_names_no_component_is_refused(value: object) -> None:
    assert refusal(learner=value).startswith(
        f"Option 'learner' of 'thing' cannot be {value!r}; expected component name"
    )


def test_a_number_too_large_for_a_float_is_refused() -> None:
    assert refusal(lr=10**400).startswith("Option 'lr' of 'thing' cannot be 1000")


def test_the_error_for_an_unknown_option_suggests_the_nearest() -> None:
    assert refusal(step=3).startswith("No option of 'thing' is called 'step'. Did you mean 'steps'? Known: layers, ")


def test_dotted_options_reach_the_chosen_component_whatever_their_order() -> None:
    chosen = Choice("learner", "reptile", (("inner", "3"), ("pace", 0.2)))
    assert build(Thing, {"learner.pace": 0.2, "learner.inner": "3", "learner": "reptile"}).learner == chosen


def test_dotted_options_without_a_choice_change_the_default_one() -> None:
    assert build(Thing, {"learner.inner": 3}).learner == Choice("learner", "proto", (("inner", 3), ("pace", 0.5)))


def test_a_dotted_option_of_a_plain_value_is_refused() -> None:
    assert (
        refusal(**{"steps.x": 1})
        == "Option 'steps' of 'thing' takes a plain value and has no sub-options, but got 'steps.x'."
    )


def test_choices_are_json_with_name_and_options() -> None:
    assert to_json(built())["learner"] == {"name": "proto", "options": {"pace": 0.5}}


def test_a_choice_with_a_list_survives_json() -> None:
    thing = built(learner=Choice("learner", "tune", (("lrs", (0.1, 0.2)),)))
    assert build(Thing, to_json(thing)) == thing


def test_strings_under_fields_are_their_help_on_one_line() -> None:
    helps = {name: option.help for name, option in options_of(Thing).items()}
    assert helps["learner"] == "Who learns."
    assert helps["steps"] == "How many steps are taken."  # inherited
    assert helps["silent"] == "Say nothing."  # overridden
    assert helps["lr"] == ""


def test_inherited_options_come_first_and_defaults_are_the_fields() -> None:
    options = options_of(Thing)
    assert list(options)[:4] == ["steps", "lr", "silent", "mode"]
    assert options["silent"].default is True
    assert options["names"].default == []


def test_a_class_without_the_decorator_is_refused() -> None:
    class Bare(Base):
        extra: int = 3

    with pytest.raises(OptionError, match=r"^Bare is not a dataclass\. Put @dataclass\(frozen=True\) above it\.$"):
        options_of(Bare)


def test_an_option_without_default_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Demanding(Base):
        must: int

    with pytest.raises(OptionError, match=r"^Option 'must' of Demanding has no default\. Give it one\.$"):
        options_of(Demanding)


@pytest.mark.parametrize(
    ("hint", "words"),
    [(int, "int"), (tuple[float, ...], "list of float"), (str | None, "str | none"), (Literal["a", "b"], "a | b")],
)
def test_types_are_named_in_plain_words(hint: object, words: str) -> None:
    assert describe_type(hint) == words


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
CHOICES = st.builds(
    lambda name, options: Choice("learner", name, tuple(sorted(options.items()))),
    st.text(min_size=1),
    st.dictionaries(st.text(), st.booleans() | st.integers() | FLOATS | st.lists(FLOATS).map(tuple), max_size=3),
)


@given(
    st.builds(
        Thing,
        steps=st.integers(),
        lr=FLOATS,
        silent=st.booleans(),
        mode=st.sampled_from(["fast", "slow"]),
        level=st.sampled_from([1, 2]),
        word=st.text(),
        layers=st.lists(st.integers()).map(tuple),
        rates=st.lists(FLOATS).map(tuple),
        names=st.lists(st.text()),
        weights=st.dictionaries(st.text(), FLOATS),
        limit=st.none() | st.integers(),
        learner=CHOICES,
    )
)
def test_every_component_survives_json(thing: Thing) -> None:
    assert build(Thing, to_json(thing)) == thing
