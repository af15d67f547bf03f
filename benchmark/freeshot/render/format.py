"""Formatting of values and sentences as text, common to all output formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from freeshot.basics.text import counted
from freeshot.basics.text import one_line as one_line  # noqa: PLC0414  re-exported for all renderers
from freeshot.leaderboard.board import Board, TrackColumn
from freeshot.leaderboard.entry import Entry
from freeshot.records.models import Tags
from freeshot.stats.intervals import Interval

MISSING = "–"
MARKS = {"failed": "failed", "violated": "void", "skipped": "skipped"}
KINDS = {"t": "Student-t", "bca": "BCa bootstrap"}
ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}
PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class TextCell:
    """Content of one table cell."""

    text: str
    notes: tuple[int, ...] = ()
    bold: bool = False


@dataclass(frozen=True)
class TextTable:
    """A table as text: titles and lines; the first column is the label."""

    titles: tuple[str, ...]
    lines: tuple[tuple[TextCell, ...], ...]
    controls: tuple[tuple[TextCell, ...], ...] = ()


@dataclass
class Footnotes:
    """Footnotes of the tables; equal sentences share a number."""

    texts: dict[str, int] = field(default_factory=dict)

    def refer(self, sentences: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of these footnotes; new sentences are added."""
        return tuple(self.texts.setdefault(one_line(text), len(self.texts) + 1) for text in sentences)


def optional(value: float | None, form: str, scale: float = 1) -> str:
    """Format value · scale, or a dash if it is missing."""
    return MISSING if value is None else format(value * scale, form)


def percent(interval: Interval, digits: int) -> str:
    """Format an interval in percent as mean ± half-width."""
    return f"{100 * interval.mean:.{digits}f} ± {100 * interval.half_width:.{digits}f}"


def p_value(p: float) -> str:
    """Format a p-value with its relation, '= 0.012'."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    unit, size = ("s", 1) if seconds < 120 else ("min", 60) if seconds < 7200 else ("h", 3600)
    return f"{_rounded(seconds / size)} {unit}"


def amount(value: float, unit: str) -> str:
    """Format an amount in its unit, with a prefix for large ones: '3 GFLOP'."""
    if unit == "s":
        return duration(value)
    if unit == "MiB":
        return f"{_rounded(value)} MiB"
    scale, prefix = next(((scale, prefix) for scale, prefix in PREFIXES if value >= scale), (1, ""))
    return f"{float(f'{value / scale:.3g}'):g} {prefix}{unit}".rstrip()


def _rounded(value: float) -> str:
    return f"{value:.1f}" if value < 10 else str(int(value + 0.5))


def extra(value: str | float | None) -> str:
    """Format the value of an extra column; '' if it is missing."""
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value if value is not None else ""))


def settings_of(row: Entry) -> str:
    """Return the part of a row's short label in brackets: its unusual settings."""
    head = f"{row.method} ["
    return row.short_label.removeprefix(head).removesuffix("]") if row.short_label.startswith(head) else ""


def access(tags: Tags) -> str:
    """Return the data-free tag of a row, with 'black box' if it used only logits of the LoRAs."""
    return f"{tags.data_free}, black box" if tags.black_box else tags.data_free


def at_test(tags: Tags) -> str:
    """Return the tags for test time, e.g. 'tuned, transductive'."""
    tuning = "tuning-free" if tags.tuning_free else "tuned"
    return f"{tuning}, transductive" if tags.transductive else tuning


def heading(track: TrackColumn) -> str:
    """Return the column heading of a track, as two lines."""
    return "\n".join(one_line(part) for part in track.title if part)


def title(board: Board) -> str:
    """Return the title of a board; tracks of different versions are on different boards."""
    return one_line(f"{board.suite or 'no suite'}, tracks of version {board.version}")


def column_titles(board: Board) -> list[str]:
    """Return the titles of the extra columns, with an arrow towards better values."""
    return [one_line(column.title) + ARROWS[column.better] for column in board.columns]


def made_with(board: Board) -> tuple[tuple[str, str], ...]:
    """List the rows that have options, as pairs of label and options."""
    return tuple((one_line(row.label), one_line(row.made_with)) for row in board.all_rows if row.made_with)


def explanation(board: Board) -> tuple[str, ...]:
    """Explain the tables in sentences."""
    limited = (
        f" {board.limited} limited or otherwise not comparable {'is' if board.limited == 1 else 'are'} left out."
        if board.limited
        else ""
    )
    made_from = f"Made from {counted(board.records, 'record')}.{limited}"
    if not board.records:
        return (made_from,)
    interval = (
        f"Accuracy in percent, mean ± half of the interval: {KINDS[board.interval]} 95 % over "
        f"{' or '.join(map(str, board.episodes))} shared episodes; it covers the sampling of tasks, not of images or "
        "training seeds."
    )
    rank = (
        "In parentheses the rank on the track: rows share one where the paired interval of their difference "
        "includes zero. Controls are not ranked. Paired differences are bold where theirs excludes zero."
    )
    if not any(cell.over_seeds for row in board.all_rows for cell in row.cells.values()):
        return interval, rank, made_from
    wider = "The interval over episodes and training seeds covers both; seeds and episodes are crossed."
    both = "Where two rows share training seeds, the interval of their difference covers these as well."
    return interval, wider, f"{rank} {both}", made_from
