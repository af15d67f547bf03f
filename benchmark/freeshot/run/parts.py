"""Names and options → parts with every option resolved, checked before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from freeshot.contracts.component import Choice, Component
from freeshot.contracts.options import build, name_and_options, neutral_options, options_of, to_json
from freeshot.contracts.records import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.plugin.catalogue import Catalogue


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
    """Describe the backbone of this name, with the options that follow it: 'clip-vit-b16:normalize=own'."""
    name, options = name_and_options(text)
    return part_of(catalogue, "backbone", name, options)[0]


def resolve(catalogue: Catalogue, choice: Choice) -> Part:
    """Turn a choice into a part; unknown names and wrong values raise."""
    return part_of(catalogue, choice.kind, choice.name, dict(choice.options))[0]


def choices_of(component: Component) -> dict[str, Choice]:
    """Return the components that a component chose by name: option → choice."""
    found = {name: getattr(component, name) for name in options_of(type(component))}
    return {name: value for name, value in found.items() if isinstance(value, Choice)}


def spelt_alike(component: Component, parts: Mapping[str, Part]) -> Component:
    """Give the options of chosen components the values they resolve to: '0.01' and 0.01 are one cell."""
    alike = {}
    for name, choice in choices_of(component).items():
        options = tuple((key, parts[name].options[key]) for key, _ in choice.options)
        alike[name] = Choice(choice.kind, choice.name, options)
    return replace(component, **alike)
