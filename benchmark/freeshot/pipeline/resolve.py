"""Resolve a row on a track into a cell: components with all options set, their needs, and the pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from freeshot.basics.errors import MissingPoolError
from freeshot.contracts.component import (
    Choice,
    Component,
    build,
    changed_options,
    name_and_options,
    options_of,
    to_json,
)
from freeshot.contracts.method import Method, Needs
from freeshot.contracts.tracks import Row, Track
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.locate import canonical_pool_name, find_pool
from freeshot.records.models import ComponentSpec, DataFree, Precision, RunSpec, TrackSpec


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """A cell, resolved once and passed to the process that runs it."""

    spec: RunSpec
    track: Track
    needs: frozenset[Needs]
    """Needs of the method and of its base methods together."""
    data_free: DataFree
    state: Literal["done", "todo", "skip"] = "todo"
    reason: str = ""
    missing: str = ""
    """How to build its pool, if that has not been done yet."""

    @cached_property
    def id(self) -> str:
        """Hash of everything that determines the results."""
        return self.spec.cell

    @property
    def title(self) -> str:
        """Readable name."""
        return self.spec.title

    @property
    def needs_pool(self) -> bool:
        """Whether its results depend on the LoRAs of a pool."""
        return bool(self.needs & {Needs.POOL, Needs.QUERIES})

    @property
    def episodes(self) -> int:
        """Number of episodes to evaluate."""
        return self.spec.limit or self.track.episodes


class Resolved(NamedTuple):
    """A component, and its description with all options."""

    spec: ComponentSpec
    component: Any


def resolve_cell(
    catalogue: Catalogue,
    suite: str,
    row: Row,
    track: Track,
    *,
    seed: int = 0,
    limit: int | None = None,
    backbone: ComponentSpec | None = None,
    precision: Precision = "fp32",
) -> tuple[PlannedCell, Method]:
    """Resolve a row on a track into a cell, and return its method, too; the backbone is the track's by default."""
    components = _with_chosen(catalogue, "method", row.method, row.options)
    own, method = components.pop("")
    methods = [method, *(chosen.component for chosen in components.values() if chosen.spec.kind == "method")]
    needs = frozenset(need for each in methods for need in each.needs)
    spec = RunSpec(
        suite=suite,
        track=TrackSpec(**{name: value for name, value in vars(track).items() if name in TrackSpec.model_fields}),
        method=own,
        components={option: chosen.spec for option, chosen in components.items()},
        backbone=backbone or backbone_spec(catalogue, track.backbone),
        seed=seed,
        precision=precision,
        limit=limit if limit is not None and limit < track.episodes else None,
    )
    return PlannedCell(spec, track, needs, _data_freedom(needs, components)), method


def _data_freedom(needs: frozenset[Needs], components: Mapping[str, Resolved]) -> DataFree:
    """Return a row's data-freedom level, from the needs of its methods and the data of its inversions."""
    if needs & {Needs.BASE_IMAGES, Needs.VALIDATION}:
        return "real data"
    inversions = [chosen.component for chosen in components.values() if chosen.spec.kind == "inversion"]
    return "public prior" if any(inversion.data_free == "public prior" for inversion in inversions) else "strict"


def with_pool(cell: PlannedCell, name: str | None, catalogue: Catalogue, pools: Path) -> PlannedCell:
    """Resolve a cell's pool, the track's or another by `name`; a cell whose method needs none stays unchanged.

    A user's own pool enters the cell by its hash, because its name does not determine its LoRAs.
    """
    if not cell.needs_pool:
        return cell
    track = replace(cell.track, pool=name or cell.track.pool)
    try:
        changes = {"pool_sha256": find_pool(track.pool, catalogue, pools).identity}
    except MissingPoolError as error:
        return replace(cell, track=track, missing=str(error))
    if name is not None:
        track = replace(track, pool=canonical_pool_name(name, catalogue, pools))
        changes["pool_override"] = track.pool if track.pool != cell.track.pool else ""
    spec = cell.spec.model_copy(update={"track": cell.spec.track.model_copy(update=changes)})
    return replace(cell, spec=spec, track=track)


def resolve_component(catalogue: Catalogue, kind: str, name: str, options: Mapping[str, Any]) -> Resolved:
    """Construct a component and describe it with all of its options."""
    registered = catalogue.registered(kind, name)
    component = build(registered.value, options)
    spec = ComponentSpec(
        kind=kind,
        name=name,
        options=to_json(component),
        origin=registered.origin,
        changed=changed_options(component),
    )
    return Resolved(spec, component)


def backbone_spec(catalogue: Catalogue, text: str) -> ComponentSpec:
    """Describe the backbone `text`, which may include options: 'clip-vit-b16:normalize=own'."""
    name, options = name_and_options(text)
    return resolve_component(catalogue, "backbone", name, options).spec


def resolve(catalogue: Catalogue, choice: Choice) -> Resolved:
    """Construct a chosen component; unknown names and invalid values raise."""
    return resolve_component(catalogue, choice.kind, choice.name, dict(choice.options))


def direct_components(spec: RunSpec) -> dict[str, ComponentSpec]:
    """Return the components that a cell's method selects directly, by kind."""
    return {chosen.kind: chosen for option, chosen in spec.components.items() if "." not in option}


def _with_chosen(catalogue: Catalogue, kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Resolved]:
    """Construct a component, under '', and all that it selects by name, recursively: 'learner', 'base.learner'."""
    spec, component = resolve_component(catalogue, kind, name, options)
    chosen: dict[str, Resolved] = {}
    for option, choice in _choices_of(component).items():
        inner = _with_chosen(catalogue, choice.kind, choice.name, dict(choice.options))
        chosen |= {f"{option}.{deeper}".rstrip("."): value for deeper, value in inner.items()}
    spelled = to_json(_spelled_alike(component, chosen))
    return {"": Resolved(spec.model_copy(update={"options": spelled}), component), **chosen}


def _choices_of(component: Component) -> dict[str, Choice]:
    """Return the components that a component selects by name: option → choice."""
    values = {name: getattr(component, name) for name in options_of(type(component))}
    return {name: value for name, value in values.items() if isinstance(value, Choice) and value.selects}


def _spelled_alike(component: Component, chosen: Mapping[str, Resolved]) -> Component:
    """Give the options of chosen components their resolved values: '0.01' and 0.01 are one cell."""
    resolved = {}
    for name, choice in _choices_of(component).items():
        given = sorted({key.partition(".")[0] for key, _ in choice.options})  # of 'learner.lr' the learner
        options = chosen[name].spec.options
        resolved[name] = Choice(choice.kind, choice.name, tuple((key, options[key]) for key in given))
    return replace(component, **resolved)
