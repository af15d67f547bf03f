"""Numbers that papers report: shown beside what was measured here, never among it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """An accuracy on a track as a paper states it; it is neither ranked nor compared with measured ones."""

    method: str
    """As the paper calls it."""
    track: str
    """The track that asks what the paper asked: 'in-domain/cub/5w1s'."""
    mean: float
    """In 0…1."""
    half_width: float | None
    """Of the interval as the paper prints it, in 0…1; None where it prints none."""
    source: str
    """Where the number stands: 'Hu et al., CVPR 2025, Table 2'."""

    def __post_init__(self) -> None:
        if not 0 <= self.mean <= 1 or (self.half_width is not None and not 0 <= self.half_width <= 1):
            raise ValueError(f"{self.method} on {self.track}: accuracies and half-widths lie in 0…1, not in percent.")
        if not self.source.strip():
            raise ValueError(f"{self.method} on {self.track} names no source. Say which table of which paper it is.")

    @property
    def name(self) -> str:
        """Tell it from other numbers: one source states one number of a method on a track."""
        return f"{self.method} on {self.track} by {self.source}"
