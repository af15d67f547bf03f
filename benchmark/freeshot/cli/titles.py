"""Titles of the planned cells, unique within a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeshot.launch.plan import Plan


def titles(plan: Plan) -> dict[str, str]:
    """Map the hash of each cell to its track and row label, with the seed if there are several."""
    rows, several = _rows(plan), len({cell.spec.seed for cell in plan.cells}) > 1
    return {
        cell.spec.cell: f"{cell.spec.track.name} · {row}" + (f", seed {cell.spec.seed}" if several else "")
        for cell, row in zip(plan.cells, rows, strict=True)
    }


def method_titles(plan: Plan) -> dict[str, str]:
    """Map the hash of each cell to its method and components, or to its row label if rows differ in other options."""
    named = {}
    for cell, row in zip(plan.cells, _rows(plan), strict=True):
        components = ", ".join(component.name for component in cell.spec.parts.values())
        plain = f"{cell.spec.method.name} ({components})" if components else cell.spec.method.name
        named[cell.spec.cell] = plain if row == cell.spec.method.name else row
    return named


def _rows(plan: Plan) -> list[str]:
    """Return the label of each cell's leaderboard row."""
    from freeshot.leaderboard.labels import configurations, labels

    chosen = configurations(cell.spec for cell in plan.cells)
    named = labels(chosen)
    return [named[configuration] for configuration in chosen]
