"""The outcome of a cell, before its record is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.basics.access_guard import Violations
    from freeshot.records.models import Status


@dataclass(frozen=True, eq=False)
class CellOutcome:
    """Status and reason of a cell, and its measures if it was scored."""

    status: Status
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the record that hold the measures; empty unless the status is 'ok'."""
    tuning_free: bool = True
    transductive: bool = False
    reason: str = ""

    def with_violations(self, violations: Violations) -> CellOutcome:
        """Return a violated outcome if there are violations, with all of them and the original reason."""
        if not violations:
            return self
        others = [text for text in violations.reasons if not self.reason.startswith(text)]
        return CellOutcome("violated", reason=" ".join([*others, *filter(None, [self.reason])]))
