"""Resolve names and options to parts with all options set, before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from freeshot.contracts.component import (
    Choice,
    Component,
    build,
    name_and_options,
    neutral_options,
    options_of,
    to_json,
)
from freeshot.contracts.method import Needs
from freeshot.records.models import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import RunSpec


def part_of(catalogue: Catalogue, kind: str, name: str, options: Mapping[str, Any]) -> tuple[Part, Component]:
    """Construct a component and describe it with all of its options."""
    registered = catalogue.registered(kind, name)
    component = build(registered.cls, options)
    part = Part(
        kind=kind,
        name=name,
        options=to_json(component),
        origin=registered.origin,
        neutral=neutral_options(component),
    )
    return part, component


def backbone_part(catalogue: Catalogue, text: str) -> Part:
    """Describe the backbone `text`, which may include options: 'clip-vit-b16:normalize=own'."""
    name, options = name_and_options(text)
    return part_of(catalogue, "backbone", name, options)[0]


def with_parts(
    catalogue: Catalogue, kind: str, name: str, options: Mapping[str, Any]
) -> tuple[Part, Component, dict[str, Part]]:
    """Construct a component, and describe it and all that it selects by name, recursively: 'under.learner' → part."""
    part, component = part_of(catalogue, kind, name, options)
    parts: dict[str, Part] = {}
    for option, choice in choices_of(component).items():
        chosen, _, inner = with_parts(catalogue, choice.kind, choice.name, dict(choice.options))
        parts |= {option: chosen, **{f"{option}.{deeper}": value for deeper, value in inner.items()}}
    return part.model_copy(update={"options": to_json(spelt_alike(component, parts))}), component, parts


def own_parts(spec: RunSpec) -> dict[str, Part]:
    """Return the components that a cell's method selects directly, by kind."""
    return {part.kind: part for option, part in spec.parts.items() if "." not in option}


def needs_of(catalogue: Catalogue, spec: RunSpec) -> frozenset[Needs]:
    """Return the needs of a cell's method and of its base method together."""
    methods = [spec.method, *(part for part in spec.parts.values() if part.kind == "method")]
    built: list[Any] = [build(catalogue.component(part.kind, part.name), part.options) for part in methods]
    return frozenset(need for method in built for need in method.needs)


def resolve(catalogue: Catalogue, choice: Choice) -> Part:
    """Resolve a choice to a part; unknown names and invalid values raise."""
    return part_of(catalogue, choice.kind, choice.name, dict(choice.options))[0]


def choices_of(component: Component) -> dict[str, Choice]:
    """Return the components that a component selects by name: option → choice; neutral options are left out."""
    telling = options_of(type(component)).keys() - set(neutral_options(component))
    found = {name: getattr(component, name) for name in options_of(type(component)) if name in telling}
    return {name: value for name, value in found.items() if isinstance(value, Choice)}


def spelt_alike(component: Component, parts: Mapping[str, Part]) -> Component:
    """Give the options of chosen components their resolved values: '0.01' and 0.01 are one cell."""
    alike = {}
    for name, choice in choices_of(component).items():
        given = sorted({key.partition(".")[0] for key, _ in choice.options})  # of 'learner.lr' the learner
        alike[name] = Choice(choice.kind, choice.name, tuple((key, parts[name].options[key]) for key in given))
    return replace(component, **alike)
