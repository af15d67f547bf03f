"""Migrate records of schema version 1 to version 2: `python -m makers.migrate_records FOLDER`.

Version 2 uses the terms of docs/glossary.md and lists every option. Measurements and provenance are not changed; a
cell's hash follows from its spec and is computed again. Options that version 1 omitted had the defaults they have now.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from freeshot.contracts.component import Component, build, changed_options, to_json
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.models import RunRecord, RunSpec
from freeshot.records.store import record_path

Json = dict[str, Any]

RECORD = {"looks": "test_evaluations", "spreads": "wider_intervals", "task": "task_cost"}
SPEC = {"parts": "components"}
STAGE = {"learned": "learned_weights"}
TASK = {"tuned": "tuned_weights"}
KINDS = {"efficiency": "strategy"}
OPTIONS = {
    ("method", "*"): {"under": "base"},
    ("inversion", "lora-inversion"): {"spread": "prior_spread"},
    ("method", "mole"): {"spread": "init_std"},
    ("method", "register-prompt"): {"spread": "init_std"},
}


def migrate(old: Json, catalogue: Catalogue) -> RunRecord:
    """Return the record of version 2 for the JSON of version 1."""
    spec = _renamed(old["spec"], SPEC)
    spec["method"] = _component(spec["method"], catalogue)
    spec["backbone"] = _component(spec["backbone"], catalogue)
    spec["components"] = {
        ".".join(OPTIONS["method", "*"].get(name, name) for name in option.split(".")): _component(part, catalogue)
        for option, part in spec["components"].items()
    }
    cell = RunSpec.model_validate(spec).cell
    new = _renamed(old, RECORD) | {"schema_version": 2, "cell": cell, "spec": spec}
    new["stages"] = [_renamed(stage, STAGE) for stage in old["stages"]]
    if "task" in old:
        new["task_cost"] = _renamed(old["task"], TASK)
    return RunRecord.model_validate_json(json.dumps(new), strict=True)


def _component(old: Json, catalogue: Catalogue) -> Json:
    """Rename a component's options, and add those that version 1 omitted at their default."""
    kind = str(KINDS.get(old["kind"]) or old["kind"])
    names = OPTIONS.get((kind, "*"), {}) | OPTIONS.get((kind, old["name"]), {})
    options = _renamed(old["options"], names)
    if options.pop("bf16", False):
        raise ValueError("A component's own precision became the run's, and no committed record sets it.")
    if options.get("base") == {"name": "frozen-prototype", "options": {}}:
        del options["base"]  # version 1 wrote 'none' so
    component: Component = build(catalogue.component(kind, old["name"]), options)
    changed = changed_options(component)
    return {
        "kind": kind,
        "name": old["name"],
        "options": to_json(component),
        "origin": old["origin"],
        "changed": changed,
    }


def _renamed(plain: Json, names: dict[str, str]) -> Json:
    return {names.get(key, key): value for key, value in plain.items()}


def main(folder: Path) -> None:
    """Migrate every record of version 1 in a folder, in place."""
    catalogue = Catalogue(load_plugins())
    for path in sorted(folder.rglob("*.json")):
        old = json.loads(path.read_text(encoding="utf-8"))
        if old.get("schema_version") == 1:
            record = migrate(old, catalogue)
            path.unlink()
            record.write(record_path(folder, record.spec))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
