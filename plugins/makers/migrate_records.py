"""Migrate records to the present options: `python -m makers.migrate_records FOLDER`.

Records of schema version 1 are rewritten as version 2, which uses the terms of docs/glossary.md and lists every option.
Records of version 2 get the options that components were given since. Measurements and provenance are not changed; a
cell's hash follows from its spec and is computed again. An option that a record omits had the default it has now.
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
    """Return the record of version 2 for the JSON of version 1, or of version 2 without the newest options."""
    if old["schema_version"] == 2:
        return _with_new_options(old, catalogue)
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


def _with_new_options(old: Json, catalogue: Catalogue) -> RunRecord:
    spec = dict(old["spec"])
    spec |= {name: _completed(spec[name], catalogue) for name in ("method", "backbone")}
    spec["components"] = {option: _completed(part, catalogue) for option, part in spec["components"].items()}
    return RunRecord.model_validate_json(
        json.dumps(old | {"spec": spec, "cell": RunSpec.model_validate(spec).cell}), strict=True
    )


def _completed(old: Json, catalogue: Catalogue) -> Json:
    """Add the options of a component that its record omits."""
    component: Component = build(catalogue.component(old["kind"], old["name"]), old["options"])
    return old | {"options": to_json(component), "changed": changed_options(component)}


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
    """Migrate every record in a folder, in place."""
    catalogue = Catalogue(load_plugins())
    for path in sorted(folder.rglob("*.json")):
        old = json.loads(path.read_text(encoding="utf-8"))
        if "schema_version" in old:
            record = migrate(old, catalogue)
            path.unlink()
            record.write(path.with_name(record_path(folder, record.spec).name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
