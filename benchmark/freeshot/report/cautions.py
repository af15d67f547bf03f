"""What comparisons of rows cannot say, in sentences."""

from __future__ import annotations

FEW = 5
"""Tracks below which nothing should be claimed across them."""


def cautions(tracks: int, seeds: int) -> tuple[str, ...]:
    """Say what so many tracks, and so few seeds of the row that has fewest, cannot show."""
    found = []
    if tracks < FEW:
        few = "1 track is" if tracks == 1 else f"{tracks} tracks are"
        found.append(f"{few} too few for a claim across tracks; it takes {FEW} at least.")
    if seeds < 2:
        found.append("A row has one training seed, so this is about that run, not about the method.")
    return tuple(found)
