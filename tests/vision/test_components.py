"""The suite `components` exchanges every inversion, strategy and meta-learner."""

from __future__ import annotations

import pytest

from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot_vision.components import SUITES

(SUITE,) = SUITES
CATALOGUE = Catalogue(load_plugins())


@pytest.mark.parametrize("profile", ["full", "clip"])
@pytest.mark.parametrize(
    ("kind", "option", "default"),
    [
        ("inversion", "inversion", "lora-inversion"),
        ("strategy", "strategy", "cls-attention"),
        ("meta-learner", "learner", "prototype"),
    ],
)
def test_each_component_has_a_row(profile: str, kind: str, option: str, default: str) -> None:
    shipped = {name for name in CATALOGUE.names(kind) if CATALOGUE.origin(kind, name).startswith("freeshot ")}
    rows = [row for row in SUITE.profiles[profile].rows if row.method == "lora-recycle"]
    assert {str(row.options.get(option, default)) for row in rows} == shipped


@pytest.mark.parametrize("profile", ["full", "clip"])
def test_rows_differ_in_one_component_at_most(profile: str) -> None:
    usual = {"inversion": "lora-inversion", "learner": "prototype"}
    for row in SUITE.profiles[profile].rows:
        if row.method == "lora-recycle":
            changed = [option for option, name in usual.items() if row.options.get(option, name) != name]
            assert len(changed) <= 1, row
    assert SUITE.profiles[profile].seeds == (0, 1, 2)
