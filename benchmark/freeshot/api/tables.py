"""The tables of results as objects that show themselves: in a notebook as HTML, elsewhere as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from freeshot.basics.tables import html_table, pandas_frame
from freeshot.cli.commands.compare import print_comparison
from freeshot.cli.console import PIPE_WIDTH
from freeshot.cli.ranking import print_table_and_notes, ranking_cells, ranking_notes, ranking_title
from freeshot.leaderboard import ShortRanking
from freeshot.leaderboard import compare as comparisons
from freeshot.render.comparison import comparison_heads, comparison_rows, comparison_summary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Leaderboard(ShortRanking):
    """The ranking of one suite."""

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per method, controls last; accuracies are in 0…1."""
        ranked = (*self.rows, *self.controls)
        return pandas_frame([{"position": row.position, **dict(row.values)} for row in ranked])

    def __repr__(self) -> str:
        return "\n".join([*self.problems, _text(lambda console: print_table_and_notes(console, self))])

    def _repr_html_(self) -> str:
        rows = [(row.position or "–", *ranking_cells(row, self.columns)) for row in self.rows]
        rows += [("", *ranking_cells(row, self.columns)) for row in self.controls]
        return html_table(rows, ("#", *self.columns), ranking_title(self), (*self.problems, *ranking_notes(self)))


@dataclass(frozen=True, repr=False)
class Comparison(comparisons.Comparison):
    """The comparison of two rows, A and B, on all tracks that both have."""

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per track: accuracies and differences in 0…1, p-values, verdicts."""
        return pandas_frame(
            [
                {
                    "track": pair.track,
                    "a": float(self.first.averages[pair.track].mean()),
                    "b": float(self.second.averages[pair.track].mean()),
                    "difference": pair.evidence.interval.mean,
                    "low": pair.evidence.interval.low,
                    "high": pair.evidence.interval.high,
                    "p_holm": pair.holm,
                    "p_wilcoxon": pair.evidence.wilcoxon,
                    "effect": pair.evidence.effect,
                    "verdict": pair.verdict,
                }
                for pair in self.tracks
            ]
        )

    def __repr__(self) -> str:
        return "\n".join([_text(lambda console: print_comparison(console, self)), *self.cautions])

    def _repr_html_(self) -> str:
        title = f"A: {self.first.label}, B: {self.second.label}"
        notes = (*comparison_summary(self), *self.cautions)
        return html_table(comparison_rows(self), comparison_heads(self), title, notes)


def _text(show: Callable[[Console], None]) -> str:
    """Return what is printed on a console without colours."""
    file = StringIO()
    show(Console(file=file, width=PIPE_WIDTH, color_system=None, force_jupyter=False, markup=False, emoji=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
