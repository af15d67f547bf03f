"""A record as text: sections of labelled values, in the order in which a reader needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from freeshot.basics.files import canonical_json
from freeshot.records.models import ComponentSpec, RunRecord, StageCost
from freeshot.render.format import access, amount, at_test
from freeshot.stats.intervals import worst_tenth

Line = tuple[str, str]


@dataclass(frozen=True)
class Section:
    """Labelled values under a title."""

    title: str
    lines: tuple[Line, ...]


def record_sections(record: RunRecord) -> tuple[Section, ...]:
    """Return everything that a record holds; the lists of values per episode are summarised."""
    spec = record.spec
    sections = {
        "cell": _cell(record),
        "result": _result(record),
        "method": _component(spec.method),
        **{f"{option}: {chosen.kind}": _component(chosen) for option, chosen in spec.components.items()},
        "backbone": _component(spec.backbone),
        "track": _values(spec.track.model_dump(exclude_defaults=True)),
        "cost": _costs(record),
        "rules": _rules(record),
        "hashes of inputs": _values(record.hashes),
        "provenance": _values(record.provenance.model_dump()),
    }
    made = (Section(title, tuple(lines)) for title, lines in sections.items())
    return tuple(section for section in made if section.lines)


def _cell(record: RunRecord) -> Iterator[Line]:
    spec = record.spec
    yield "hash", record.cell
    yield "suite", spec.suite or "none"
    yield "track", spec.track.name
    yield "method", spec.method.name
    yield "seed", str(spec.seed)
    yield "precision", spec.precision
    if spec.limit is not None:
        yield "limit", f"{spec.limit} of {spec.track.episodes} episodes"
    yield "status", record.status
    if record.reason:
        yield "reason", record.reason
    if not record.comparable:
        yield "comparable", "no: not on any leaderboard"


def _result(record: RunRecord) -> Iterator[Line]:
    if record.interval is None:
        return
    for interval in (record.interval, *record.wider_intervals):
        low, high = (f"{100 * bound:.2f}" for bound in (interval.low, interval.high))
        text = f"{100 * interval.mean:.2f} %, {100 * interval.level:g} % interval {low} … {high}"
        yield ("accuracy" if interval is record.interval else ""), f"{text}, over {interval.covers}"
    yield "episodes", f"{len(record.accuracies)}: {_range(record.accuracies, 100)} %"
    yield "worst tenth", f"{100 * worst_tenth(record.accuracies):.2f} %"
    if record.log_odds:
        yield "log-odds against the true class", _range(record.log_odds)
    if record.quality is not None:
        yield "calibration error (ECE)", f"{record.quality.ece:.4f}"
        yield "Brier score", f"{record.quality.brier:.4f}"
        recall = sorted(record.quality.recall.items(), key=lambda pair: pair[1])
        yield "recall, lowest first", ", ".join(f"{name} {100 * share:.1f} %" for name, share in recall)


def _range(values: Iterable[float], scale: float = 1) -> str:
    ordered = sorted(values)
    return f"{scale * ordered[0]:.2f} … {scale * ordered[-1]:.2f}, median {scale * median(ordered):.2f}"


def _component(component: ComponentSpec) -> Iterator[Line]:
    yield "name", component.name
    yield "from", component.origin or "unknown"
    for name, value in sorted(component.options.items()):
        yield name, _plain(value) + (" (not the default)" if name in component.changed else "")


def _costs(record: RunRecord) -> Iterator[Line]:
    for stage in record.stages:
        yield stage.stage, ", ".join(_cost(stage))
    if record.task_cost is not None:
        tuned = record.task_cost.tuned_weights
        weights = f", {tuned:,} weights fitted" if tuned else ""
        yield "one test task", f"{amount(record.task_cost.flops, 'FLOP')}{weights}"


def _cost(stage: StageCost) -> Iterator[str]:
    yield amount(stage.seconds, "s")
    yield f"peak {amount(stage.peak_bytes / 2**20, 'MiB')}"
    if stage.flops is not None:
        yield amount(stage.flops, "FLOP")
    if stage.joules is not None:
        yield amount(stage.joules, "J")
    if stage.learned_weights is not None:
        yield f"{stage.learned_weights:,} weights learned"
    if stage.cached:
        yield "reused from the cache"
    yield from (f"{name} {_plain(value)}" for name, value in sorted(stage.facts.items()))


def _rules(record: RunRecord) -> Iterator[Line]:
    yield "data", access(record.tags)
    yield "at test", at_test(record.tags)
    yield "role", record.tags.role
    yield "test evaluations", str(record.test_evaluations)
    if record.audit is not None:
        changed = ", ".join(f"{name} {100 * share:g} %" for name, share in record.audit.changed.items()) or "none"
        yield "audit", f"{record.audit.episodes} episodes scored again; predictions that changed: {changed}"


def _values(values: Mapping[str, Any]) -> Iterator[Line]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield name, ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
        elif value not in (None, ""):
            yield name, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping) and value.keys() == {"name", "options"}:  # a chosen component
        options = "".join(f" {key}={_plain(inner)}" for key, inner in value["options"].items())
        return f"{value['name']}{options}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, str):
        return value
    return "none" if value is None else canonical_json(value)
