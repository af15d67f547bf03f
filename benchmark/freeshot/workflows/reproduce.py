"""Rerun a record's cell: rebuilt from the installed code, and refused if it would not be the same cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from freeshot.basics.errors import FreeshotError, StoreError
from freeshot.basics.files import canonical_json
from freeshot.contracts.tracks import Row
from freeshot.launch.plan import Plan
from freeshot.launch.runner import execute_plan
from freeshot.pipeline.record import input_hashes
from freeshot.pipeline.resolve import part_of, resolve_cell, with_pool
from freeshot.records.models import RunRecord
from freeshot.records.provenance import provenance
from freeshot.records.store import record_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.launch.request import RunRequest
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import Part, Provenance


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
    stated = record.spec
    parts = (stated.method, stated.backbone, *stated.parts.values())
    found = [difference for part in parts for difference in _origin(part, catalogue)]
    if stated.track.name not in catalogue.tracks():
        found.append(Difference("cell", f"The track '{stated.track.name}' is not available. Install its plugin."))
    if any(difference.weight == "cell" for difference in found):
        return Rebuilt(None, tuple(found))
    track = catalogue.track(stated.track.name)
    try:
        backbone = part_of(catalogue, "backbone", stated.backbone.name, stated.backbone.options).part
        row = Row(stated.method.name, stated.method.options)
        cell, _ = resolve_cell(
            catalogue, stated.suite, row, track, seed=stated.seed, limit=stated.limit, backbone=backbone
        )
        cell = with_pool(cell, request.pool or stated.track.other_pool or None, catalogue, request.pools)
        if cell.missing:
            return Rebuilt(None, (*found, Difference("cell", cell.missing)))
    except FreeshotError as error:
        return Rebuilt(None, (*found, Difference("cell", str(error))))
    spec = cell.spec
    found += _options(stated.method, spec.method) + _options(stated.backbone, spec.backbone)
    for name in sorted({*stated.parts, *spec.parts}):
        found += _options(stated.parts.get(name), spec.parts.get(name))
    found += _fields(f"The track '{track.name}'", stated.track.model_dump(), spec.track.model_dump())
    if not found and spec.cell != record.cell:
        found.append(Difference("cell", f"The cell would be {spec.cell}, the record's is {record.cell}."))
    if not any(difference.weight == "cell" for difference in found):
        context = request.context(catalogue)
        found += _foundations(record, cell, context)
        found += _surroundings(record.provenance, provenance(context.device))
    return Rebuilt(cell, tuple(found))


def run_again(cell: PlannedCell, catalogue: Catalogue, request: RunRequest) -> RunRecord:
    """Run the cell into a results folder without a record of it; StoreError otherwise."""
    path = record_path(request.results, cell.spec)
    if path.exists():
        raise StoreError(f"{path} already exists. Choose an empty folder for --results; records are never overwritten.")
    execute_plan(Plan((cell,)), request, catalogue)
    return RunRecord.read(path)


def _origin(part: Part, catalogue: Catalogue) -> list[Difference]:
    """Return whether a component is missing, or from another version of its distribution."""
    called = f"The {part.kind} '{part.name}'"
    try:
        here = catalogue.origin(part.kind, part.name)
    except FreeshotError as error:
        return [Difference("cell", f"{called} of {part.origin or 'an unknown distribution'} is not available. {error}")]
    if here == part.origin:
        return []
    same = here.partition(" ")[0] == part.origin.partition(" ")[0]
    return [Difference("version" if same else "cell", f"{called} is of {part.origin} on record, of {here} here.")]


def _options(stated: Part | None, here: Part | None) -> list[Difference]:
    if stated is None or here is None:
        part = stated or here
        assert part is not None
        where = "on record only" if here is None else "here only"
        return [Difference("cell", f"The {part.kind} '{part.name}' is part of the method {where}.")]
    if stated.name != here.name:
        return [Difference("cell", f"The {stated.kind} is '{stated.name}' on record, '{here.name}' here.")]
    before, now = stated.identity()["options"], here.identity()["options"]
    return _fields(f"The {stated.kind} '{stated.name}'", before, now)


def _fields(whose: str, stated: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    return [
        Difference("cell", f"{whose} has {name} {_value(stated, name)} on record, {_value(here, name)} here.")
        for name in sorted({*stated, *here})
        if name not in stated or name not in here or stated[name] != here[name]
    ]


def _value(values: Mapping[str, Any], name: str) -> str:
    return canonical_json(values[name])[:80] if name in values else "unset"


def _foundations(record: RunRecord, cell: PlannedCell, context: RunContext) -> list[Difference]:
    """Compare the hashes of the inputs: network, pool, images and episodes."""
    here = input_hashes(context, cell)
    return [
        Difference("cell", f"The record's hash of {name} is {value[:12]}, here it is {here.get(name, 'none')[:12]}.")
        for name, value in sorted(record.hashes.items())
        if here.get(name) != value
    ]


def _surroundings(before: Provenance, now: Provenance) -> list[Difference]:
    """List differing machine properties and package versions; they may change bits, not the cell."""
    pairs = {"device": (before.device, now.device), "platform": (before.platform, now.platform)}
    pairs |= {"Python": (before.python, now.python), "freeshot": (before.freeshot, now.freeshot)}
    pairs |= {name: (before.packages.get(name, "unknown"), version) for name, version in now.packages.items()}
    return [
        Difference("surroundings", f"It was made with {name} {then}, here is {today}.")
        for name, (then, today) in pairs.items()
        if then != today
    ]
