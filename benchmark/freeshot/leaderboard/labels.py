"""Configurations, which define the rows of a board, and their unique labels, full and short."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from freeshot.basics.files import canonical_json, fingerprint
from freeshot.records.models import ComponentSpec, RunSpec

PLAIN = (canonical_json("freeshot"), canonical_json(""))
"""Providers that labels omit: FreeShot itself, and an unknown one."""
NO_COMPONENT = {"name": "none", "options": {}}
"""JSON of an option that could select a component but selects none; labels omit it."""
MANY = 3
"""Minimum number of rows of a method for short labels."""


@dataclass(frozen=True)
class Configuration:
    """A method with all its settings, which do not include seeds and tracks."""

    method: str
    settings: tuple[tuple[str, str], ...]
    """Sorted (key, JSON value); 'learner' is the name of a component, 'learner.pace' an option of that component."""
    defaults: frozenset[str] = field(default=frozenset(), compare=False)
    """Options that have their default value; labels omit them where they can."""

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The settings by key."""
        return dict(self.settings)

    def summary(self) -> str:
        """List the components and the method's own options, but not the options of components."""
        return ", ".join(_setting(key, value) for key, value in self.settings if "." not in key and key != "from")


def configuration(spec: RunSpec, *, with_backbone: bool = False) -> Configuration:
    """Derive the configuration from a run's spec.

    It includes the distribution that provides a component, but not its version: a release that changes results must
    increase the track's version.
    """
    settings = {k: v for k, v in spec.method.options.items() if k not in spec.components and v != NO_COMPONENT}
    settings["from"] = _distribution(spec.method)  # cannot be the name of an option, since it is a Python keyword
    settings |= {
        key: value for option, chosen in spec.components.items() for key, value in _of_component(option, chosen).items()
    }
    settings |= {option: chosen.name for option, chosen in spec.components.items()}  # replaces the JSON of the option
    if spec.track.pool_override:
        settings["pool"] = spec.track.pool_override
    if spec.precision != "fp32":
        settings["precision"] = spec.precision
    if with_backbone:
        settings |= _of_component("backbone", spec.backbone)
    defaults = {key for key in spec.method.options if key not in spec.method.changed}
    for option, chosen in spec.components.items():
        defaults |= {f"{option}.{key}" for key in chosen.options if key not in chosen.changed}
    ordered = tuple(sorted((key, canonical_json(value)) for key, value in settings.items()))
    return Configuration(spec.method.name, ordered, frozenset(defaults - spec.components.keys()))


def labels(configurations: Iterable[Configuration]) -> dict[Configuration, str]:
    """Label each configuration by its method and the settings in which configurations of the method differ."""
    ordered = sorted(set(configurations), key=lambda c: (c.method, c.settings))
    by_label = {}
    for c in ordered:
        group = [other for other in ordered if other.method == c.method]
        by_label[c] = _bracketed(c.method, {k: v for k, v in c.settings if _is_shown(k, c, group)})
    counts = Counter(by_label.values())
    return {
        c: label if counts[label] == 1 else f"{label} #{fingerprint(c.settings, 6)}" for c, label in by_label.items()
    }


def row_labels(specs: Sequence[RunSpec]) -> list[str]:
    """Return the label of each cell's row, in their order."""
    chosen = [configuration(spec) for spec in specs]
    named = labels(chosen)
    return [named[configuration] for configuration in chosen]


def cell_titles(specs: Sequence[RunSpec]) -> dict[str, str]:
    """Map the hash of each cell to its track and row label, with the seed if there are several."""
    several = len({spec.seed for spec in specs}) > 1
    return {
        spec.cell: f"{spec.track.name} · {label}" + (f", seed {spec.seed}" if several else "")
        for spec, label in zip(specs, row_labels(specs), strict=True)
    }


def short_labels(specs: Mapping[str, RunSpec]) -> dict[str, str]:
    """Shorten the labels of methods with at least MANY rows; `specs` maps each label to a run of its row.

    A short label names the settings that differ from the most common ones of the method's rows. If two would be equal,
    all rows of the method keep their full labels.
    """
    by_method: dict[str, dict[str, Configuration]] = defaultdict(dict)
    for label, spec in specs.items():
        by_method[spec.method.name][label] = configuration(spec)
    short = {label: label for label in specs}
    for method, rows in by_method.items():
        every = [*rows.values()]
        names = [_bracketed(method, {k: v for k, v in own.settings if v != _usual(k, own, every)}) for own in every]
        if len(rows) >= MANY and len(set(names)) == len(names):
            short |= zip(rows, names, strict=True)
    return short


def _of_component(option: str, chosen: ComponentSpec) -> dict[str, Any]:
    options = {f"{option}.{key}": value for key, value in chosen.options.items()}
    return {option: chosen.name, f"{option}.from": _distribution(chosen)} | options


def _distribution(chosen: ComponentSpec) -> str:
    return chosen.origin.partition(" ")[0]


def _is_shown(key: str, chosen: Configuration, group: list[Configuration]) -> bool:
    """Return whether a label shows a setting: always a pool other than the track's, and a third-party component.

    Other settings if they differ from their default and between rows; options of a component, between its rows.
    """
    provider = chosen.values.get(f"{key}.from")
    if key in ("pool", "precision") or (key != "backbone" and provider not in (None, *PLAIN, chosen.values["from"])):
        return True
    if key in chosen.defaults:
        return False
    owner = key.rpartition(".")[0]
    peers = [other for other in group if other.values.get(owner) == chosen.values.get(owner)]
    return any(other.values.get(key) != chosen.values[key] for other in peers)


def _usual(key: str, own: Configuration, every: Sequence[Configuration]) -> str | None:
    """Return the most common value of a setting, at a tie the default; of a component's option, among its rows."""
    component = key.partition(".")[0]
    peers = [row.values for row in every if component == key or row.values.get(component) == own.values.get(component)]
    counts = Counter(values.get(key) for values in peers)
    defaults = {row.values.get(key) for row in every if key in row.defaults}
    return min(counts, key=lambda value: (-counts[value], value not in defaults, value or ""))


def _bracketed(method: str, settings: Mapping[str, str]) -> str:
    texts = ", ".join(_setting(key, value) for key, value in settings.items())
    return f"{method} [{texts}]" if texts else method


def _setting(key: str, value: str) -> str:
    """Format a setting with a JSON value as 'inversion=fourier'; values longer than 40 characters are cut."""
    text = value[1:-1] if value.startswith('"') else value
    return f"{key}={text if len(text) <= 40 else text[:39] + '…'}"
