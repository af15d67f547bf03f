"""Standings across tracks as text: one table, and sentences about significant differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from freeshot.basics.text import counted
from freeshot.leaderboard.across_tracks import LEVEL, Standings
from freeshot.render.format import MISSING, TextCell, TextTable, one_line, p_value
from freeshot.stats.paired_tests import VERDICTS

WIDE = 8
"""Maximum number of rows for which the matrix of pairs is shown; JSON always contains it."""
LONG = 120
"""Maximum length of all names in a sentence, in characters; if longer, row numbers are used instead."""


@dataclass(frozen=True)
class Across:
    """Standings as shown: a table and sentences."""

    table: TextTable
    sentences: tuple[str, ...]


def across(standings: Standings) -> Across:
    """Format standings as text; rows are numbered, so that columns and sentences can refer to them by number."""
    matrix = len(standings.rows) <= WIDE
    titles = ("Row", "Average rank\nby means", "IQM", *(f"over {j + 1}" for j in range(len(standings.rows)) if matrix))
    lines = tuple(
        (
            TextCell(f"{i + 1}: {one_line(label)}"),
            TextCell(
                f"{standings.average_ranks[i]:.2f}", bold=standings.average_ranks[i] == standings.average_ranks[0]
            ),
            TextCell(f"{100 * standings.interquartile_means[i]:.2f}"),
            *(_against(standings, i, j) for j in range(len(standings.rows)) if matrix),
        )
        for i, label in enumerate(standings.rows)
    )
    return Across(
        TextTable(titles, lines),
        (_unequal(standings), *_alike(standings), _reading(matrix=matrix), *standings.cautions),
    )


def _against(standings: Standings, i: int, j: int) -> TextCell:
    if i == j:
        return TextCell(MISSING)
    counts = "/".join(str(standings.verdicts[i][j][name]) for name in VERDICTS)
    significant = i < j and standings.adjusted[i][j] < LEVEL
    return TextCell(f"{100 * standings.wins[i][j].mean:.0f} % ({counts})", bold=significant)


def _unequal(standings: Standings) -> str:
    tracks = counted(len(standings.tracks), "track")
    if len(standings.rows) < 3:
        return f"Over {tracks}."
    p = p_value(standings.friedman)
    return f"Over {tracks}; that all {len(standings.rows)} rows rank equally has p {p} (Friedman)."


def _alike(standings: Standings) -> tuple[str, ...]:
    """Describe each clique; cliques are runs of adjacent rows, so the first and last row identify one."""
    if not standings.cliques:
        return ("All of these rows can be distinguished across these tracks.",)
    return tuple(
        f"{_names(standings.rows, clique)} cannot be distinguished across these tracks." for clique in standings.cliques
    )


def _names(rows: Sequence[str], clique: Sequence[int]) -> str:
    labels = [one_line(rows[i]) for i in clique]
    if sum(map(len, labels)) > LONG:
        return f"Rows {clique[0] + 1} to {clique[-1] + 1}"
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def _reading(*, matrix: bool) -> str:
    pairs = (
        " 'over 2' is the share of tracks won over row 2, ties half, and on how many of them the paired interval gives "
        "better/equal/worse/undecided against ±0.5 points; bold where the two are distinguished."
    )
    return (
        "Across tracks a track counts once: ranks by mean accuracy, equal means sharing a place; IQM is the mean "
        f"accuracy on the middle half of the tracks.{pairs if matrix else ''} Rows are distinguished by Wilcoxon's "
        "signed ranks over tracks, adjusted for all pairs (Holm), p < 0.05."
    )
