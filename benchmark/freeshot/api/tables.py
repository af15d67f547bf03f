"""The tables of results as objects that show themselves: in a notebook as HTML, elsewhere as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from freeshot.basics.tables import html_table, pandas_frame
from freeshot.basics.text import counted
from freeshot.cli.commands.compare import print_comparison
from freeshot.cli.console import PIPE_WIDTH
from freeshot.cli.ranking import print_table_and_notes, ranking_cells, ranking_notes, ranking_title
from freeshot.leaderboard import ShortRanking
from freeshot.leaderboard import compare as comparisons
from freeshot.leaderboard.unsubmitted import StandingRow
from freeshot.render.comparison import comparison_heads, comparison_rows, comparison_summary
from freeshot.render.format import optional, percent
from freeshot.workflows.evaluation_report import EvaluationReport

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


@dataclass(frozen=True, repr=False)
class Evaluation(EvaluationReport):
    """An evaluation, ranked beside the records of its suite; it is not a record."""

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per track: accuracy with its interval in 0…1, and rank."""
        return pandas_frame(
            [
                {
                    "track": score.track,
                    "way": score.way,
                    "shot": score.shot,
                    "accuracy": score.interval.mean,
                    "low": score.interval.low,
                    "high": score.interval.high,
                    "rank": self.standing.ranks[score.track][0] if self._is_ranked and self.standing else None,
                }
                for score in self.scores
            ]
        )

    @property
    def title(self) -> str:
        """Name and kind, with the backbone of an adapter."""
        on = f" on {self.backbone}" if self.kind == "adapter" else ""
        return f"{self.name} ({self.kind}{on}, {self.precision}): accuracy in %, unsubmitted"

    @property
    def _is_ranked(self) -> bool:
        return self.standing is not None and bool(self.standing.others)

    def _rows(self) -> list[tuple[str, ...]]:
        """Return track, accuracy and rank; the mean over several tracks comes last."""
        rows: list[tuple[str, ...]] = []
        for score in self.scores:
            rank = "{} of {}".format(*self.standing.ranks[score.track]) if self._is_ranked and self.standing else "–"
            rows.append((score.track, percent(score.interval, 2), rank))
        return [*rows, ("mean", f"{100 * self.mean:.2f}", "")] if len(rows) > 1 else rows

    def _gains(self) -> list[str]:
        """Return a sentence about the gain over the backbone alone, where it was measured."""
        return [
            f"Gain over the backbone alone on the same tasks: {percent(score.gain, 2)} points."
            for score in self.scores
            if score.gain is not None
        ]

    def __repr__(self) -> str:
        rows = (f"{track}: {text}" + f", rank {rank}" * (rank not in ("", "–")) for track, text, rank in self._rows())
        return "\n".join([self.title, *rows, *self._gains()])

    def _repr_html_(self) -> str:
        html = html_table(self._rows(), ("track", "accuracy", "rank"), self.title, self._gains())
        if self.standing is None or not self._is_ranked:
            return html
        rows = [(row.position or "–", row.label, row.data or "–", *_numbers(row)) for row in self.standing.excerpt(3)]
        title = f"Among {counted(len(self.standing.others), 'row')} of suite {self.standing.suite}"
        return html + html_table(rows, ("#", "method", "data", "rank", "mean", "difference"), title)


def _numbers(row: StandingRow) -> tuple[str, str, str]:
    return optional(row.rank, ".2f"), optional(row.mean, ".1f", 100), optional(row.difference, "+.1f", 100)


def _text(show: Callable[[Console], None]) -> str:
    """Return what is printed on a console without colours."""
    file = StringIO()
    show(Console(file=file, width=PIPE_WIDTH, color_system=None, force_jupyter=False, markup=False, emoji=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
