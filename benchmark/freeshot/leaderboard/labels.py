"""Configurations, which define the rows of a board, and their unique labels, full and short."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from freeshot.basics.files import canonical_json, fingerprint
from freeshot.records.models import Part, RunSpec

PLAIN = (canonical_json("freeshot"), canonical_json(""))
"""Providers that labels omit: FreeShot itself, and an unknown one."""
MANY = 3
"""Minimum number of rows of a method for short labels."""


@dataclass(frozen=True)
class Configuration:
    """A method with all its settings, which do not include seeds and tracks."""

    method: str
    settings: tuple[tuple[str, str], ...]
    """Sorted (key, JSON value); 'learner' is the name of a component, 'learner.pace' an option of that component."""

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
    settings = {key: value for key, value in telling_options(spec.method).items() if key not in spec.parts}
    settings["from"] = _distribution(spec.method)  # cannot be the name of an option, since it is a Python keyword
    settings |= {key: value for option, part in spec.parts.items() for key, value in _of_part(option, part).items()}
    settings |= {option: part.name for option, part in spec.parts.items()}  # replaces the JSON of the option
    if spec.track.other_pool:
        settings["pool"] = spec.track.other_pool
    if with_backbone:
        settings |= _of_part("backbone", spec.backbone)
    return Configuration(spec.method.name, tuple(sorted((k, canonical_json(v)) for k, v in settings.items())))


def configurations(specs: Iterable[RunSpec], *, with_backbone: bool = False) -> list[Configuration]:
    """Derive the configuration of each spec, once for equal inputs: most specs differ only in track and seed."""
    cached: dict[str, Configuration] = {}
    derived = []
    for spec in specs:
        parts = {name: vars(part) for name, part in spec.parts.items()}
        backbone = vars(spec.backbone) if with_backbone else None
        key = repr((vars(spec.method), parts, spec.track.other_pool, backbone))
        if key not in cached:
            cached[key] = configuration(spec, with_backbone=with_backbone)
        derived.append(cached[key])
    return derived


def labels(configurations: Iterable[Configuration]) -> dict[Configuration, str]:
    """Label each configuration by its method and the settings in which configurations of the method differ."""
    ordered = sorted(set(configurations), key=lambda c: (c.method, c.settings))
    by_label = {c: _label(c, [other for other in ordered if other.method == c.method]) for c in ordered}
    counts = Counter(by_label.values())
    return {
        c: label if counts[label] == 1 else f"{label} #{fingerprint(c.settings, 6)}" for c, label in by_label.items()
    }


def short_labels(specs: Mapping[str, RunSpec]) -> dict[str, str]:
    """Shorten the labels of methods with at least MANY rows; `specs` maps each label to a run of its row.

    A short label names the settings that differ from the most common ones of the method's rows. If two would be equal,
    all rows of the method keep their full labels.
    """
    by_method: dict[str, dict[str, Mapping[str, str]]] = defaultdict(dict)
    for label, spec in specs.items():
        by_method[spec.method.name][label] = configuration(spec).values
    short = {label: label for label in specs}
    for method, rows in by_method.items():
        every = [*rows.values()]
        names = [_bracketed(method, {k: v for k, v in own.items() if v != _usual(k, own, every)}) for own in every]
        if len(rows) >= MANY and len(set(names)) == len(names):
            short |= zip(rows, names, strict=True)
    return short


def _of_part(option: str, part: Part) -> dict[str, Any]:
    options = {f"{option}.{key}": value for key, value in telling_options(part).items()}
    return {option: part.name, f"{option}.from": _distribution(part)} | options


def telling_options(part: Part) -> dict[str, Any]:
    """Return a part's options without neutral ones, which records from before their introduction lack."""
    return {key: value for key, value in part.options.items() if key not in part.neutral}


def _distribution(part: Part) -> str:
    return part.origin.partition(" ")[0]


def _label(chosen: Configuration, group: list[Configuration]) -> str:
    return _bracketed(
        chosen.method,
        {k: v for k, v in chosen.settings if _always_shown(k, chosen) or _distinguishes(k, chosen, group)},
    )


def _always_shown(key: str, chosen: Configuration) -> bool:
    """Return whether a label must always show a setting: a pool other than the track's, a third-party component."""
    provider = chosen.values.get(f"{key}.from")
    return key == "pool" or (key != "backbone" and provider not in (None, *PLAIN, chosen.values["from"]))


def _distinguishes(key: str, chosen: Configuration, group: list[Configuration]) -> bool:
    """Return whether rows differ in a setting; for an option of a component, only rows with it are compared."""
    owner = key.rpartition(".")[0]
    peers = [other for other in group if other.values.get(owner) == chosen.values.get(owner)]
    return any(other.values.get(key) != chosen.values[key] for other in peers)


def _usual(key: str, own: Mapping[str, str], every: Sequence[Mapping[str, str]]) -> str | None:
    """Return the most common value of a setting; for an option of a component, among rows with that component."""
    component = key.partition(".")[0]
    peers = [row for row in every if component == key or row.get(component) == own.get(component)]
    values = Counter(row.get(key) for row in peers)
    return min(values, key=lambda value: (-values[value], value or ""))


def _bracketed(method: str, settings: Mapping[str, str]) -> str:
    texts = ", ".join(_setting(key, value) for key, value in settings.items())
    return f"{method} [{texts}]" if texts else method


def _setting(key: str, value: str) -> str:
    """Format a setting with a JSON value as 'inversion=fourier'; values longer than 40 characters are cut."""
    text = value[1:-1] if value.startswith('"') else value
    return f"{key}={text if len(text) <= 40 else text[:39] + '…'}"
