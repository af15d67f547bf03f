"""Print a plan with its estimated cost, and name its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.text import counted
from freeshot.cli.console import duration, print_line, table

if TYPE_CHECKING:
    from freeshot.launch.plan import Plan
    from freeshot.launch.request import RunRequest
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.workflows.estimate_cost import CostEstimate


def cell_titles(plan: Plan) -> dict[str, str]:
    """Map the hash of each cell to its track and row label, with the seed if there are several."""
    several = len({cell.spec.seed for cell in plan.cells}) > 1
    return {
        cell.spec.cell: f"{cell.spec.track.name} · {label}" + (f", seed {cell.spec.seed}" if several else "")
        for cell, label in zip(plan.cells, _row_labels(plan), strict=True)
    }


def print_dry_run(plan: Plan, request: RunRequest, catalogue: Catalogue) -> None:
    """Print the cells with their state, then the estimated cost of those to run."""
    rows = [
        (cell.spec.track.name, method, str(cell.spec.seed), cell.state, cell.reason)
        for cell, method in zip(plan.cells, _method_titles(plan), strict=True)
    ]
    table(rows, heads=("track", "method", "seed", "state", "reason"))
    todo = sum(cell.state == "todo" for cell in plan.cells)
    print_line(f"{todo} of {len(plan.cells)} cells to run.")
    for sentence in plan.missing:
        print_line(sentence)
    if todo:
        from freeshot.workflows.estimate_cost import estimate_cost

        _print_estimate(estimate_cost(plan, request, catalogue))


def _print_estimate(estimate: CostEstimate) -> None:
    if estimate.unknown:
        print_line(f"No cost estimate for {counted(estimate.unknown, 'cell')} (no comparable record).")
    if not estimate.stages:
        return
    rows = []
    for stage, works in estimate.stages.items():
        cached, artifacts = sum(work.cached for work in works), sum(work.artifacts for work in works)
        in_cache = f"{cached} of {artifacts}" if artifacts else "–"
        rows.append((stage, str(len(works)), in_cache, duration(sum(work.seconds_left for work in works))))
    print_line("")
    table(rows, heads=("stage", "runs", "in the cache", "time"))
    rest = f", without {counted(estimate.unknown, 'cell')} that cannot be estimated" if estimate.unknown else ""
    print_line(
        f"In total about {duration(estimate.seconds)}, as comparable records took on {', '.join(estimate.devices)}, "
        f"and {estimate.disk / 1e6:,.0f} MB of disk{rest}."
    )


def _method_titles(plan: Plan) -> list[str]:
    """Return each cell's method and components, or its row label if rows differ in other options."""
    titles = []
    for cell, label in zip(plan.cells, _row_labels(plan), strict=True):
        components = ", ".join(component.name for component in cell.spec.components.values())
        plain = f"{cell.spec.method.name} ({components})" if components else cell.spec.method.name
        titles.append(plain if label == cell.spec.method.name else label)
    return titles


def _row_labels(plan: Plan) -> list[str]:
    """Return the label of each cell's leaderboard row."""
    from freeshot.leaderboard.labels import configuration, labels

    chosen = [configuration(cell.spec) for cell in plan.cells]
    named = labels(chosen)
    return [named[configuration] for configuration in chosen]
