"""What comparisons of rows cannot say, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

FEW = 5
"""Tracks below which nothing should be claimed across them."""


def out_of_reach(rows: int, tracks: int, level: float) -> tuple[str, ...]:
    """Say where Wilcoxon's signed ranks over these tracks cannot tell any two of so many rows apart, whatever they do.

    All ranks of one sign have p = 2 / 2^tracks, which Holm's adjustment multiplies by the number of pairs.
    """
    least = rows * (rows - 1) / 2 * 2 ** (1 - tracks)
    if tracks < FEW or least < level:
        return ()
    told = (
        f"{rows} rows on {tracks} tracks cannot be told apart whatever their numbers: adjusted for all pairs, no p "
        f"falls below {min(least, 1.0):.2g}. Compare two of them, or run more tracks."
    )
    return (told,)


def cautions(tracks: Sequence[str], seeds: int) -> tuple[str, ...]:
    """Say what these tracks, and so few seeds of the row that has fewest, cannot show."""
    found = []
    if len(tracks) < FEW:
        few = "1 track is" if len(tracks) == 1 else f"{len(tracks)} tracks are"
        found.append(f"{few} too few for a claim across tracks; it takes {FEW} at least.")
    apart = len({name.rpartition("/")[0] for name in tracks})
    if apart < len(tracks):
        found.append(
            f"{len(tracks)} tracks lie on {apart} data set{'' if apart == 1 else 's'}: those that share one are not "
            "independent, which makes p across tracks too small."
        )
    if seeds < 2:
        found.append("A row has one training seed, so this is about that run, not about the method.")
    return tuple(found)
