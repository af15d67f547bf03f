"""What makes a row of a board: a method with its settings, and a label that tells it from its like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from freeshot.basics.files import canonical_json, fingerprint
from freeshot.records.models import Part, RunSpec

PLAIN = (canonical_json("freeshot"), canonical_json(""))
"""Providers whose parts need not be named: ourselves, and nobody."""


@dataclass(frozen=True)
class Configuration:
    """A method with all its settings, as it stands on every track; seeds and tracks are no settings."""

    method: str
    settings: tuple[tuple[str, str], ...]
    """Sorted (key, JSON value); 'learner' is the name of a part, 'learner.pace' an option of that part."""

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The settings by key."""
        return dict(self.settings)

    def summary(self) -> str:
        """Name the parts and the method's own options; options of parts stand in the record."""
        return ", ".join(setting_words(key, value) for key, value in self.settings if "." not in key and key != "from")


def configuration(spec: RunSpec, *, with_backbone: bool = False) -> Configuration:
    """Read the configuration out of a run's spec.

    Of a component's origin the distribution counts and its version does not: a release that moves a number
    has to raise the track's version.
    """
    settings = {key: value for key, value in telling_options(spec.method).items() if key not in spec.parts}
    settings["from"] = _distribution(spec.method)  # no option is called 'from': Python forbids such a field
    settings |= {key: value for option, part in spec.parts.items() for key, value in _of_part(option, part).items()}
    settings |= {option: part.name for option, part in spec.parts.items()}  # over the JSON of a part's own choice
    if spec.track.other_pool:
        settings["pool"] = spec.track.other_pool
    if with_backbone:
        settings |= _of_part("backbone", spec.backbone)
    return Configuration(spec.method.name, tuple(sorted((k, canonical_json(v)) for k, v in settings.items())))


def configurations(specs: Iterable[RunSpec], *, with_backbone: bool = False) -> list[Configuration]:
    """Read the configuration of each spec, once for all that say the same: most differ in track and seed alone."""
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
    """Label each configuration by its method and the settings that differ from others of the same method."""
    ordered = sorted(set(configurations), key=lambda c: (c.method, c.settings))
    found = {c: _label(c, [other for other in ordered if other.method == c.method]) for c in ordered}
    often = Counter(found.values())
    return {c: label if often[label] == 1 else f"{label} #{fingerprint(c.settings, 6)}" for c, label in found.items()}


def _of_part(option: str, part: Part) -> dict[str, Any]:
    options = {f"{option}.{key}": value for key, value in telling_options(part).items()}
    return {option: part.name, f"{option}.from": _distribution(part)} | options


def telling_options(part: Part) -> dict[str, Any]:
    """Return a part's options without those that change nothing: records from before there were any lack them."""
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
    """Say of what a reader must know even of a single row: a pool not the track's, a part of somebody else's."""
    provider = chosen.values.get(f"{key}.from")
    return key == "pool" or (key != "backbone" and provider not in (None, *PLAIN, chosen.values["from"]))


def _tells(key: str, chosen: Configuration, group: list[Configuration]) -> bool:
    """Compare a part's option only among rows with that part: another part has other options anyway."""
    owner = key.rpartition(".")[0]
    peers = [other for other in group if other.values.get(owner) == chosen.values.get(owner)]
    return any(other.values.get(key) != chosen.values[key] for other in peers)


def setting_words(key: str, value: str) -> str:
    """Write a setting whose value is JSON as 'inversion=fourier', cut where it is very long."""
    text = value[1:-1] if value.startswith('"') else value
    return f"{key}={text if len(text) <= 40 else text[:39] + '…'}"
