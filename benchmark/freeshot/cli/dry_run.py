"""Print what `freeshot run --dry-run` would run, and the estimated cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.cli.console import arithmetic, counted, duration, table
from freeshot.cli.titles import method_titles

if TYPE_CHECKING:
    from rich.console import Console

    from freeshot.launch.plan import Plan
    from freeshot.launch.request import RunRequest
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.workflows.estimate_cost import Ahead


def print_dry_run(console: Console, plan: Plan, request: RunRequest, catalogue: Catalogue, rate: float | None) -> None:
    """Print the cells with their state, then the estimated cost of those to run."""
    _print_plan(console, plan)
    if not any(cell.state == "todo" for cell in plan.cells):
        return
    from freeshot.workflows.estimate_cost import look_ahead

    ahead = look_ahead(plan, request, catalogue, rate)
    if ahead.unknown:
        console.print(f"No cost estimate for {counted(ahead.unknown, 'cell')} (no comparable record).")
    if ahead.stages:
        _print_costs(console, ahead, measured=rate is None)


def _print_plan(console: Console, plan: Plan) -> None:
    named = method_titles(plan)
    rows = [
        (cell.spec.track.name, named[cell.spec.cell], str(cell.spec.seed), cell.state, cell.reason)
        for cell in plan.cells
    ]
    table(console, rows, heads=("track", "method", "seed", "state", "reason"))
    todo = sum(cell.state == "todo" for cell in plan.cells)
    console.print(f"{todo} of {len(plan.cells)} cells to run.")
    for sentence in plan.missing:
        console.print(sentence, soft_wrap=True)


def _print_costs(console: Console, ahead: Ahead, *, measured: bool) -> None:
    if ahead.absent:
        names = ", ".join(f"'{name}'" for name in ahead.absent)
        console.print(f"The images of {names} are missing; the estimate assumes different images in each episode.")
    rows = []
    for stage, works in ahead.stages.items():
        cached, items = sum(work.there for work in works), sum(work.parts for work in works)
        flops = sum(work.left for work in works)
        in_cache = f"{cached} of {items}" if items else "–"
        rows.append((stage, str(len(works)), in_cache, arithmetic(flops), duration(flops / ahead.rate)))
    console.print()
    table(console, rows, heads=("stage", "runs", "in the cache", "operations", "time"))
    speed = f"measured on this machine ({ahead.device})" if measured else "as assumed"
    without = f", without {counted(ahead.unknown, 'cell')} that cannot be estimated" if ahead.unknown else ""
    console.print(
        f"In total {arithmetic(ahead.flops)}, about {duration(ahead.seconds)} at {arithmetic(ahead.rate)}/s ({speed}), "
        f"and {ahead.disk / 1e6:,.0f} MB of disk{without}."
    )
