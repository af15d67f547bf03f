"""Configurations, which define the rows of a board, and their unique labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from freeshot.basics.files import canonical_json, fingerprint
from freeshot.records.models import Part, RunSpec

PLAIN = (canonical_json("freeshot"), canonical_json(""))
"""Providers that labels omit: FreeShot itself, and an unknown one."""


@dataclass(frozen=True)
class Configuration:
    """A method with all its settings, which do not include seeds and tracks."""

    method: str
    settings: tuple[tuple[str, str], ...]
    """Sorted (key, JSON value); 'learner' is the name of a part, 'learner.pace' an option of that part."""

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The settings by key."""
        return dict(self.settings)

    def summary(self) -> str:
        """List the parts and the method's own options, but not the options of parts."""
        return ", ".join(setting_words(key, value) for key, value in self.settings if "." not in key and key != "from")


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
    known: dict[str, Configuration] = {}
    found = []
    for spec in specs:
        parts = {name: vars(part) for name, part in spec.parts.items()}
        backbone = vars(spec.backbone) if with_backbone else None
        said = repr((vars(spec.method), parts, spec.track.other_pool, backbone))
        if said not in known:
            known[said] = configuration(spec, with_backbone=with_backbone)
        found.append(known[said])
    return found


def labels(configurations: Iterable[Configuration]) -> dict[Configuration, str]:
    """Label each configuration by its method and the settings in which configurations of the method differ."""
    ordered = sorted(set(configurations), key=lambda c: (c.method, c.settings))
    found = {c: _label(c, [other for other in ordered if other.method == c.method]) for c in ordered}
    often = Counter(found.values())
    return {c: label if often[label] == 1 else f"{label} #{fingerprint(c.settings, 6)}" for c, label in found.items()}


def _of_part(option: str, part: Part) -> dict[str, Any]:
    options = {f"{option}.{key}": value for key, value in telling_options(part).items()}
    return {option: part.name, f"{option}.from": _distribution(part)} | options


def telling_options(part: Part) -> dict[str, Any]:
    """Return a part's options without neutral ones, which records from before their introduction lack."""
    return {key: value for key, value in part.options.items() if key not in part.neutral}


def _distribution(part: Part) -> str:
    return part.origin.partition(" ")[0]


def _label(chosen: Configuration, group: list[Configuration]) -> str:
    telling = [
        setting_words(key, value)
        for key, value in chosen.settings
        if _strange(key, chosen) or _tells(key, chosen, group)
    ]
    return f"{chosen.method} [{', '.join(telling)}]" if telling else chosen.method


def _strange(key: str, chosen: Configuration) -> bool:
    """Return whether a label must always show a setting: a pool other than the track's, or a third-party part."""
    provider = chosen.values.get(f"{key}.from")
    return key == "pool" or (key != "backbone" and provider not in (None, *PLAIN, chosen.values["from"]))


def _tells(key: str, chosen: Configuration, group: list[Configuration]) -> bool:
    """Return whether rows differ in a setting; for an option of a part, only rows with the same part are compared."""
    owner = key.rpartition(".")[0]
    peers = [other for other in group if other.values.get(owner) == chosen.values.get(owner)]
    return any(other.values.get(key) != chosen.values[key] for other in peers)


def setting_words(key: str, value: str) -> str:
    """Format a setting with a JSON value as 'inversion=fourier'; values longer than 40 characters are cut."""
    text = value[1:-1] if value.startswith('"') else value
    return f"{key}={text if len(text) <= 40 else text[:39] + '…'}"
