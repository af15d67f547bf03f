"""Cards: what a component is in two sentences, who it is from, and what its options mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeshot.contracts.dataset import Example


@dataclass(frozen=True)
class Card:
    """A component as readers of results meet it; texts of a plugin, which may be empty."""

    summary: str = ""
    """Two sentences."""
    citation: str = ""
    paper_url: str = ""
    code_url: str = ""
    helps: Mapping[str, str] = field(default_factory=dict)
    """Option → its meaning."""
    domain: str = ""
    """Of a data set: kind of images."""
    license: str = ""
    """Of a data set."""
    example: Example | None = None
    """Of a data set whose images may be shown: one episode."""


Describe = Callable[[str, str], Card | None]
"""Kind and name of a component → its card; None if it is not available."""


def undescribed(_kind: str, _name: str) -> Card | None:
    """Return no card: what is used where no plugins are loaded."""
    return None
