"""Rerun a record's cell: rebuilt from the installed code, and refused if it would not be the same cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.basics.files import canonical_json
from freeshot.contracts.tracks import Row
from freeshot.launch.plan import Plan
from freeshot.launch.request import RunRequest
from freeshot.launch.runner import execute_plan
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.record import input_hashes
from freeshot.pipeline.resolve import PlannedCell, resolve_cell, resolve_component, with_pool
from freeshot.plugin.catalogue import Catalogue
from freeshot.records.models import ComponentSpec, Provenance, RunRecord
from freeshot.records.provenance import provenance
from freeshot.records.store import record_path


@dataclass(frozen=True)
class Difference:
    """One difference between the record and this installation."""

    weight: Literal["cell", "version", "surroundings"]
    """'cell': it would be another cell. 'version': it may be. 'surroundings': it is the same cell."""
    text: str


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """The cell of a record as it would run here, with all differences."""

    cell: PlannedCell | None
    """None if it cannot be built."""
    differences: tuple[Difference, ...]


def rebuild(record: RunRecord, catalogue: Catalogue, request: RunRequest) -> Rebuilt:
    """Build a finished record's cell from the installed code; StoreError for a record without accuracies."""
    if record.status != "ok":
        raise StoreError(f"The record is {record.status} and has no accuracies to compare with: {record.reason}")
    old = record.spec
    differences = [d for part in (old.method, old.backbone, *old.components.values()) for d in _origin(part, catalogue)]
    if old.track.name not in catalogue.tracks():
        differences.append(Difference("cell", f"The track '{old.track.name}' is not available. Install its plugin."))
    if any(difference.weight == "cell" for difference in differences):
        return Rebuilt(None, tuple(differences))
    track = catalogue.track(old.track.name)
    try:
        backbone = resolve_component(catalogue, "backbone", old.backbone.name, old.backbone.options).spec
        row = Row(old.method.name, old.method.options)
        same: dict[str, Any] = {"seed": old.seed, "limit": old.limit, "precision": old.precision}
        cell, _ = resolve_cell(catalogue, old.suite, row, track, **same, backbone=backbone)
        cell = with_pool(cell, request.pool or old.track.pool_override or None, catalogue, request.pools)
        if cell.missing:
            return Rebuilt(None, (*differences, Difference("cell", cell.missing)))
    except FreeshotError as error:
        return Rebuilt(None, (*differences, Difference("cell", str(error))))
    spec = cell.spec
    differences += _options(old.method, spec.method) + _options(old.backbone, spec.backbone)
    for name in sorted({*old.components, *spec.components}):
        differences += _options(old.components.get(name), spec.components.get(name))
    differences += _fields(f"The track '{track.name}'", old.track.model_dump(), spec.track.model_dump())
    if not differences and spec.cell != record.cell:
        differences.append(Difference("cell", f"The cell would be {spec.cell}, the record's is {record.cell}."))
    if not any(difference.weight == "cell" for difference in differences):
        context = replace(request, precision=old.precision).context(catalogue)
        differences += _input_hashes(record, cell, context)
        differences += _surroundings(record.provenance, provenance(context.device))
    return Rebuilt(cell, tuple(differences))


def run_again(cell: PlannedCell, catalogue: Catalogue, request: RunRequest) -> RunRecord:
    """Run the cell into a results folder without a record of it; StoreError otherwise."""
    path = record_path(request.results, cell.spec)
    if path.exists():
        raise StoreError(f"{path} already exists. Choose an empty folder for --results; records are never overwritten.")
    execute_plan(Plan((cell,)), replace(request, precision=cell.spec.precision), catalogue)
    return RunRecord.read(path)


def _origin(component: ComponentSpec, catalogue: Catalogue) -> list[Difference]:
    """Return whether a component is missing, or from another version of its distribution."""
    subject = f"The {component.kind} '{component.name}'"
    try:
        here = catalogue.origin(component.kind, component.name)
    except FreeshotError as error:
        return [
            Difference(
                "cell", f"{subject} of {component.origin or 'an unknown distribution'} is not available. {error}"
            )
        ]
    if here == component.origin:
        return []
    same = here.partition(" ")[0] == component.origin.partition(" ")[0]
    return [Difference("version" if same else "cell", f"{subject} is of {component.origin} on record, of {here} here.")]


def _options(old: ComponentSpec | None, here: ComponentSpec | None) -> list[Difference]:
    if old is None or here is None:
        component = old or here
        assert component is not None
        where = "on record only" if here is None else "here only"
        return [Difference("cell", f"The {component.kind} '{component.name}' is part of the method {where}.")]
    if old.name != here.name:
        return [Difference("cell", f"The {old.kind} is '{old.name}' on record, '{here.name}' here.")]
    return _fields(f"The {old.kind} '{old.name}'", old.identity()["options"], here.identity()["options"])


def _fields(owner: str, old: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    return [
        Difference("cell", f"{owner} has {name} {_value(old, name)} on record, {_value(here, name)} here.")
        for name in sorted({*old, *here})
        if name not in old or name not in here or old[name] != here[name]
    ]


def _value(values: Mapping[str, Any], name: str) -> str:
    return canonical_json(values[name])[:80] if name in values else "unset"


def _input_hashes(record: RunRecord, cell: PlannedCell, context: RunContext) -> list[Difference]:
    """Compare the hashes of the inputs: network, pool, images and episodes."""
    new_hashes = input_hashes(context, cell)
    return [
        Difference(
            "cell", f"The record's hash of {name} is {value[:12]}, here it is {new_hashes.get(name, 'none')[:12]}."
        )
        for name, value in sorted(record.hashes.items())
        if new_hashes.get(name) != value
    ]


def _surroundings(recorded: Provenance, current: Provenance) -> list[Difference]:
    """List differing machine properties and package versions; they may change bits, not the cell."""
    pairs = {"device": (recorded.device, current.device), "platform": (recorded.platform, current.platform)}
    pairs |= {"Python": (recorded.python, current.python), "freeshot": (recorded.freeshot, current.freeshot)}
    pairs |= {name: (recorded.packages.get(name, "unknown"), version) for name, version in current.packages.items()}
    return [
        Difference("surroundings", f"It was made with {name} {old}, here is {new}.")
        for name, (old, new) in pairs.items()
        if old != new
    ]
