"""Costs of a row for the HTML page: positions and ticks on logarithmic axes, and texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from freeshot.basics.text import counted
from freeshot.leaderboard.costs import Cost
from freeshot.render.format import amount, duration, one_line


class Axis(NamedTuple):
    """A cost as the horizontal axis of the plot."""

    field: str
    """Name in `Cost`."""
    title: str
    unit: str
    least: float
    """Smaller values are drawn here, because the logarithmic scale has no zero."""

    def value(self, cost: Cost) -> float | None:
        """Return this cost of a row; None if its records lack it."""
        return cast("float | None", getattr(cost, self.field))


AXES = (
    Axis("seconds", "seconds a track", "s", 0.1),
    Axis("prepare_seconds", "seconds to prepare a track", "s", 0.1),
    Axis("evaluate_seconds", "seconds to evaluate a track", "s", 0.1),
    Axis("peak_mib", "peak memory, MiB", "MiB", 1),
    Axis("joules", "energy of a track", "J", 1),
    Axis("prepare_flops", "operations to prepare a track", "FLOP", 1e9),
    Axis("task_flops", "operations of one task", "FLOP", 1e6),
    Axis("learned", "weights learned before the first task", "", 1),
    Axis("tuned", "weights tuned for each task", "", 1),
    Axis("queries", "images sent to LoRAs", "", 1),
)
OF_DEVICE = AXES[:5]
"""Costs that do not compare between devices."""


def cost_data(cost: Cost, usual: str | None) -> dict[str, Any]:
    """Return a row's cost on the device of most of its records: axis → (position, text)."""
    costs = [(axis, value) for axis in AXES if (value := axis.value(cost)) is not None]
    return {
        "device": one_line(cost.device),
        "elsewhere": cost.device != usual,
        "values": {a.field: [round(max(value, a.least), 2), amount(value, a.unit)] for a, value in costs},
    }


def cost_facts(cost: Cost) -> list[tuple[str, str]]:
    """Describe a row's cost on a device, as terms with their texts."""
    summary = (
        f"{duration(cost.prepare_seconds)} to prepare, nothing cached; {duration(cost.evaluate_seconds)} to evaluate; "
        f"peak {cost.peak_mib:.0f} MiB; on {one_line(cost.device)}; {counted(cost.records, 'record')} in "
        f"{duration(cost.all_seconds)}, shared stages counted once"
    )
    further = [(axis, value) for axis in AXES[4:] if (value := axis.value(cost)) is not None]
    return [("cost of a track", summary), *((axis.title, amount(value, axis.unit)) for axis, value in further)]


def axis_data(axis: Axis, prices: Iterable[Cost]) -> dict[str, Any]:
    """Describe an axis, with ticks at 1, 2 and 5 times powers of ten: position, text, whether it is a power."""
    values = [max(value, axis.least) for cost in prices if (value := axis.value(cost)) is not None]
    powers = [math.floor(math.log10(value)) for value in values]
    marks = [(k * 10.0**p, k == 1) for p in range(min(powers), max(powers) + 2) for k in (1, 2, 5)] if powers else []
    return {
        "key": axis.field,
        "title": axis.title,
        "of_device": axis in OF_DEVICE,
        "ticks": [[v, f"{v:g} s" if axis.unit == "s" else amount(v, axis.unit), power] for v, power in marks],
    }
