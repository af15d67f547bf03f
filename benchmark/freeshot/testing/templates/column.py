"""A new leaderboard column, computed from records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot import Column, hookimpl

if TYPE_CHECKING:
    from freeshot.records.models import RunRecord


def worst_tenth(record: RunRecord) -> float | None:
    """Return the mean accuracy of the hardest tenth of the episodes, in percent; None without accuracies."""
    if not record.accuracies:
        return None
    hardest = sorted(record.accuracies)[: max(1, len(record.accuracies) // 10)]
    return round(100 * sum(hardest) / len(hardest), 1)


MINE = Column("mine", worst_tenth, "higher")


@hookimpl
def freeshot_leaderboard_columns() -> list[Column]:
    """Register it: `freeshot leaderboard --all` shows it if the plugin is installed."""
    return [MINE]
