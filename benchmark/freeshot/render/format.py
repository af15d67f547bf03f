"""Formatting of a board's values as text, common to all output formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from freeshot.basics.text import one_line as one_line  # noqa: PLC0414  re-exported for all renderers
from freeshot.contracts.leaderboard import Column, Published
from freeshot.leaderboard.board import Board, Cell, Row
from freeshot.leaderboard.costs import Cost
from freeshot.leaderboard.entry import Line
from freeshot.leaderboard.versus import Versus
from freeshot.stats.intervals import Interval

MISSING = "–"
MARKS = {"failed": "failed", "violated": "void", "skipped": "skipped"}
KINDS = {"t": "Student-t", "bca": "BCa bootstrap"}
ARROWS = {"higher": " ↑", "lower": " ↓", "none": ""}
WIDER_HEADING = "Half-widths: episodes / and other images / and other classes"
BEYOND_HEADING = "Beyond the mean, over all tracks of a row"


@dataclass(frozen=True)
class TextCell:
    """Content of one table cell."""

    text: str
    notes: tuple[int, ...] = ()
    bold: bool = False


@dataclass
class Footnotes:
    """Footnotes of the tables; equal sentences share a number."""

    texts: dict[str, int] = field(default_factory=dict)

    def refer(self, sentences: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of these footnotes; new sentences are added."""
        return tuple(self.texts.setdefault(one_line(text), len(self.texts) + 1) for text in sentences)


@dataclass(frozen=True)
class TextTable:
    """A table as text: titles and lines; the first column is the label."""

    titles: tuple[str, ...]
    lines: tuple[tuple[TextCell, ...], ...]
    controls: tuple[tuple[TextCell, ...], ...] = ()


def percent(interval: Interval, digits: int) -> str:
    """Format an interval in percent as mean ± half-width."""
    return f"{100 * interval.mean:.{digits}f} ± {100 * interval.half_width:.{digits}f}"


def cell_words(cell: Cell | None, digits: int, refer: Callable[[Sequence[str]], tuple[int, ...]]) -> TextCell:
    """Format a cell: its number and rank, else the mark of its status, or a dash if it was not run."""
    if cell is None:
        return TextCell(MISSING)
    if cell.interval is None:
        return TextCell(MARKS[cell.status], refer(cell.notes))
    rank = f" ({cell.rank})" if cell.rank else ""
    return TextCell(percent(cell.interval, digits) + rank, refer(cell.notes), bold=cell.rank == 1)


def published_words(number: Published | None, digits: int) -> TextCell:
    """Format a number reported by a paper, with its half-width if the paper gives one."""
    if number is None:
        return TextCell(MISSING)
    around = "" if number.half_width is None else f" ± {100 * number.half_width:.{digits}f}"
    return TextCell(f"{100 * number.mean:.{digits}f}{around}")


def overview(board: Board, columns: Sequence[Column]) -> TextTable:
    """Build the overview table: tags, role, average rank and extra columns of each row."""
    titles = (
        "Row",
        "Data-free",
        "Tuning",
        "Role",
        "Average rank",
        *(one_line(c.title) + ARROWS[c.better] for c in columns),
    )
    return TextTable(titles, tuple(map(_what_it_is, board.rows)), tuple(map(_what_it_is, board.controls)))


def differences(found: Sequence[Versus], tracks: Sequence[str], digits: int) -> tuple[tuple[TextCell, ...], ...]:
    """Format paired differences in points; bold if the interval excludes zero."""
    return tuple(
        (
            TextCell(one_line(f"{pair.first} − {pair.second}")),
            *(_difference(pair.differences.get(track), digits) for track in tracks),
        )
        for pair in found
        if any(track in pair.differences for track in tracks)
    )


def cost_lines(found: Sequence[Cost]) -> TextTable:
    """Build the cost table without empty columns."""
    columns = {
        "Row": [one_line(cost.label) for cost in found],
        "Device": [one_line(cost.device) for cost in found],
        "Prepare\n(s)": [seconds(cost.prepare_seconds) for cost in found],
        "Evaluate\n(s)": [seconds(cost.evaluate_seconds) for cost in found],
        "All tracks\n(min)": [seconds(cost.all_seconds / 60) for cost in found],
        "Prepare\n(TFLOP)": [_scaled(cost.prepare_flops, 1e12) for cost in found],
        "One task\n(GFLOP)": [_scaled(cost.task_flops, 1e9) for cost in found],
        "Weights\nlearned": [_whole(cost.learned) for cost in found],
        "Weights\ntuned": [_whole(cost.tuned) for cost in found],
        "Queries\nto LoRAs": [_whole(cost.queries) for cost in found],
        "Energy\n(kJ)": [_scaled(cost.joules, 1e3) for cost in found],
        "Peak\n(MiB)": [f"{cost.peak_mib:.0f}" for cost in found],
        "Records": [str(cost.records) for cost in found],
    }
    kept = {title: texts for title, texts in columns.items() if any(text != MISSING for text in texts)}
    return TextTable(tuple(kept), tuple(tuple(map(TextCell, line)) for line in zip(*kept.values(), strict=True)))


def _scaled(value: float | None, unit: float) -> str:
    return MISSING if value is None else f"{value / unit:.3g}" if value < 1000 * unit else f"{value / unit:.0f}"


def _whole(value: float | None) -> str:
    return MISSING if value is None else f"{round(value)}"


def seconds(value: float) -> str:
    """Format a duration, with a decimal below 100."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def title(board: Board) -> str:
    """Return the title of a board; tracks of different versions are on different boards."""
    return one_line(f"{board.suite or 'no suite'}, tracks of version {board.version}")


def made_with(board: Board) -> tuple[tuple[str, str], ...]:
    """List the rows that have options, as pairs of label and options."""
    rows = (*board.rows, *board.controls)
    return tuple((one_line(r.label), one_line(r.line.made_with)) for r in rows if r.line.made_with)


def explanation(board: Board) -> tuple[str, ...]:
    """Explain the tables in sentences."""
    episodes = " or ".join(map(str, board.episodes))
    limited = (
        f" {board.limited} limited or otherwise not comparable {'is' if board.limited == 1 else 'are'} left out."
        if board.limited
        else ""
    )
    made_from = f"Made from {_count(board.records, 'record')}.{limited}"
    if not board.records:
        return (made_from,)
    interval = (
        f"Accuracy in percent, mean ± half of the interval: {KINDS[board.interval]} 95 % over {episodes} shared "
        "episodes; it covers the sampling of tasks, not of images or training seeds."
    )
    wider = "The interval over episodes and training seeds covers both; seeds and episodes are crossed."
    rank = (
        "In parentheses the rank on the track: rows share one where the paired interval of their difference "
        "includes zero. Controls are not ranked. Paired differences are bold where theirs excludes zero."
    )
    seeds = any(cell.over_seeds for row in (*board.rows, *board.controls) for cell in row.cells.values())
    both = "Where two rows share training seeds, the interval of their difference covers these as well."
    return (interval, wider, f"{rank} {both}", made_from) if seeds else (interval, rank, made_from)


def _what_it_is(row: Row) -> tuple[TextCell, ...]:
    line = row.line
    average = MISSING if row.average_rank is None else f"{row.average_rank:.2f}"
    return tuple(
        map(
            TextCell,
            (one_line(row.label), access(line), at_test(line), one_line(line.role), average, *map(_extra, line.extras)),
        )
    )


def access(line: Line) -> str:
    """Return the data-free tag of a row, with 'black box' if it used only logits of the LoRAs."""
    return f"{line.data_free}, black box" if line.black_box else line.data_free


def at_test(line: Line) -> str:
    """Return the tags for test time, e.g. 'tuned, transductive'."""
    tuning = "tuning-free" if line.tuning_free else "tuned"
    return f"{tuning}, transductive" if line.transductive else tuning


def _extra(value: str | float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))


def _difference(interval: Interval | None, digits: int) -> TextCell:
    if interval is None:
        return TextCell(MISSING)
    sign = "+" if interval.mean > 0 else ""
    return TextCell(sign + percent(interval, digits), bold=interval.excludes_zero)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
