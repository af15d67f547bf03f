"""Caveats about comparisons of rows, as sentences."""

from __future__ import annotations

from collections.abc import Sequence

FEW = 5
"""Minimum number of tracks for a claim across tracks."""


def out_of_reach(rows: int, tracks: int, level: float) -> tuple[str, ...]:
    """Warn if Wilcoxon's signed ranks with so few tracks cannot be significant for any pair of so many rows.

    The smallest p is 2 / 2^tracks, with all ranks of one sign; Holm's adjustment multiplies it by the number of pairs.
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
    """Warn about too few or dependent tracks, and about a single seed; `seeds` is the smallest number of a row."""
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
