"""The tables of a board as text, in reading order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from freeshot.contracts.leaderboard import Published
from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import default_differences
from freeshot.leaderboard.costs import Cost, costs
from freeshot.leaderboard.entry import Cell, Entry
from freeshot.leaderboard.secondary_metrics import WIDER, half_widths, secondary_metrics
from freeshot.render.across_tracks import WIDE, Across, across
from freeshot.render.format import (
    MARKS,
    MISSING,
    Footnotes,
    TextCell,
    TextTable,
    access,
    at_test,
    column_titles,
    extra,
    heading,
    one_line,
    optional,
    percent,
)
from freeshot.stats.intervals import Interval

REPORTED = "Reported by papers (not measured here)"
REPORTED_CAUTION = "Other images, episodes and training than here: never ranked, and not comparable in detail."

Lines = tuple[tuple[TextCell, ...], ...]


@dataclass(frozen=True)
class TitledTable:
    """A table with its heading, for one section of the tracks or for all ('')."""

    heading: str
    section: str
    table: TextTable


@dataclass(frozen=True)
class Tables:
    """All tables of a board without empty ones; titles of track columns are two lines, joined by a line feed."""

    overview: TextTable
    accuracy: dict[str, TextTable]
    """Section → rows by tracks."""
    across: Across | None
    """None if fewer than two ranked rows have every track."""
    further: tuple[TitledTable, ...]
    """Paired differences, wider intervals, secondary metrics, costs."""
    reported: dict[str, TextTable]
    """Section → numbers reported by papers, with the source in the last column."""


def build_tables(board: Board, notes: Footnotes, *, digits: int) -> Tables:
    """Build all tables of a board; footnotes are numbered in reading order."""

    def lines(rows: Sequence[Entry], tracks: Sequence[str]) -> Lines:
        return tuple(
            (TextCell(one_line(row.label)), *(_accuracy(row.cells.get(t), digits, notes) for t in tracks))
            for row in rows
        )

    accuracy = {}
    for section, tracks in board.sections.items():
        names = [t.name for t in tracks]
        titles = ("Row", *map(heading, tracks))
        accuracy[section] = TextTable(titles, lines(board.rows, names), lines(board.controls, names))
    ranked = standings(board, WIDE)
    further = (*_paired(board, digits), *_over_seeds(board, digits), *_wider(board, digits), *_overall(board))
    return Tables(
        _overview(board),
        accuracy,
        across(ranked) if ranked else None,
        tuple(titled for titled in further if titled.table.lines),
        reported_tables(board, digits),
    )


def _accuracy(cell: Cell | None, digits: int, notes: Footnotes) -> TextCell:
    """Format a cell: its number and rank, else the mark of its status, or a dash if it was not run."""
    if cell is None:
        return TextCell(MISSING)
    if cell.interval is None:
        return TextCell(MARKS[cell.status], notes.refer(cell.notes))
    rank = f" ({cell.rank})" if cell.rank else ""
    return TextCell(percent(cell.interval, digits) + rank, notes.refer(cell.notes), bold=cell.rank == 1)


def _overview(board: Board) -> TextTable:
    """Build the overview table: tags, role, average rank and extra columns of each row."""

    def lines(rows: Sequence[Entry]) -> Lines:
        return tuple(
            _cells(
                one_line(row.label), access(row.tags), at_test(row.tags), one_line(row.tags.role),
                optional(row.average_rank, ".2f"), *(extra(v) if v is not None else MISSING for v in row.extras),
            )
            for row in rows
        )  # fmt: skip

    titles = ("Row", "Data-free", "Tuning", "Role", "Average rank", *column_titles(board))
    return TextTable(titles, lines(board.rows), lines(board.controls))


def _paired(board: Board, digits: int) -> Iterator[TitledTable]:
    """Build the tables of paired differences in points, for tracks that have one; bold if zero is excluded."""
    pairs = default_differences(board)
    for section, tracks in board.sections.items():
        shared = [t for t in tracks if any(t.name in pair.by_track for pair in pairs)]
        lines = tuple(
            (
                TextCell(one_line(f"{pair.first} − {pair.second}")),
                *(_difference(pair.by_track.get(t.name), digits) for t in shared),
            )
            for pair in pairs
            if any(t.name in pair.by_track for t in shared)
        )
        yield TitledTable("Paired differences (points)", section, TextTable(("Pair", *map(heading, shared)), lines))


def _difference(interval: Interval | None, digits: int) -> TextCell:
    if interval is None:
        return TextCell(MISSING)
    sign = "+" if interval.mean > 0 else ""
    return TextCell(sign + percent(interval, digits), bold=interval.excludes_zero)


def _over_seeds(board: Board, digits: int) -> Iterator[TitledTable]:
    """Build the tables of intervals over episodes and seeds, for rows that have one."""

    def interval(row: Entry, track: str) -> Interval | None:
        return cell.over_seeds if (cell := row.cells.get(track)) else None

    def text(row: Entry, track: str) -> str:
        over_seeds = interval(row, track)
        return percent(over_seeds, digits) if over_seeds else MISSING

    for section in board.sections:
        table = _rows_by_tracks(board, section, text, lambda row, track: interval(row, track) is not None)
        yield TitledTable("Over episodes and training seeds", section, table)


def _wider(board: Board, digits: int) -> Iterator[TitledTable]:
    """Build the tables of half-widths, from narrow to wide, for rows that have more than one."""

    def text(row: Entry, track: str) -> str:
        widths = half_widths(row, track)
        return " / ".join(optional(widths.get(covers), f".{digits}f", 100) for covers in WIDER) if widths else MISSING

    for section in board.sections:
        table = _rows_by_tracks(board, section, text, lambda row, track: len(half_widths(row, track)) > 1)
        yield TitledTable("Half-widths: episodes / and other images / and other classes", section, table)


def _rows_by_tracks(
    board: Board, section: str, text: Callable[[Entry, str], str], is_shown: Callable[[Entry, str], bool]
) -> TextTable:
    """Build a table of rows by tracks, with the rows of which at least one cell is to be shown."""
    tracks = board.sections[section]
    lines = tuple(
        _cells(one_line(row.label), *(text(row, t.name) for t in tracks))
        for row in board.all_rows
        if any(is_shown(row, t.name) for t in tracks)
    )
    return TextTable(("Row", *map(heading, tracks)), lines)


def _overall(board: Board) -> Iterator[TitledTable]:
    """Build the tables over all tracks of a row: secondary metrics and costs."""
    metrics = secondary_metrics(board)
    beyond = _of_columns(
        {
            "Row": [one_line(m.label) for m in metrics],
            "Worst\ntenth": [f"{100 * m.worst_tenth:.1f}" for m in metrics],
            "Easiest\ntenth": [optional(m.easiest_tenth, ".1f", 100) for m in metrics],
            "Hardest\ntenth": [optional(m.hardest_tenth, ".1f", 100) for m in metrics],
            "ECE ↓": [optional(m.ece, ".3f") for m in metrics],
            "Brier ↓": [optional(m.brier, ".3f") for m in metrics],
        }
    )
    yield TitledTable("Beyond the mean, over all tracks of a row", "", beyond)
    yield TitledTable("Costs of one track", "", cost_table(costs(board)))


def cost_table(prices: Sequence[Cost]) -> TextTable:
    """Build the table of costs."""
    return _of_columns(
        {
            "Row": [one_line(cost.label) for cost in prices],
            "Device": [one_line(cost.device) for cost in prices],
            "Prepare\n(s)": [_seconds(cost.prepare_seconds) for cost in prices],
            "Evaluate\n(s)": [_seconds(cost.evaluate_seconds) for cost in prices],
            "All tracks\n(min)": [_seconds(cost.all_seconds / 60) for cost in prices],
            "Prepare\n(TFLOP)": [_scaled(cost.prepare_flops, 1e12) for cost in prices],
            "One task\n(GFLOP)": [_scaled(cost.task_flops, 1e9) for cost in prices],
            "Weights\nlearned": [optional(cost.learned, ".0f") for cost in prices],
            "Weights\ntuned": [optional(cost.tuned, ".0f") for cost in prices],
            "Queries\nto LoRAs": [optional(cost.queries, ".0f") for cost in prices],
            "Energy\n(kJ)": [_scaled(cost.joules, 1e3) for cost in prices],
            "Peak\n(MiB)": [f"{cost.peak_mib:.0f}" for cost in prices],
            "Records": [str(cost.records) for cost in prices],
        }
    )


def _of_columns(columns: Mapping[str, Sequence[str]]) -> TextTable:
    """Build a table from its columns, without those that are empty throughout."""
    kept = {name: texts for name, texts in columns.items() if any(text != MISSING for text in texts)}
    lines = tuple(_cells(*line) for line in zip(*kept.values(), strict=True))
    return TextTable(tuple(kept), lines)


def reported_tables(board: Board, digits: int) -> dict[str, TextTable]:
    """Build, for each section, the table of numbers that papers report, in the order in which plugins give them."""

    def text(number: Published | None) -> str:
        if number is None:
            return MISSING
        half = "" if number.half_width is None else f" ± {100 * number.half_width:.{digits}f}"
        return f"{100 * number.mean:.{digits}f}{half}"

    tables = {}
    for section, tracks in board.sections.items():
        numbers = {(n.source, n.method, n.track): n for n in board.published if n.track in {t.name for t in tracks}}
        shown = [t for t in tracks if any(track == t.name for _, _, track in numbers)]
        lines = tuple(
            _cells(one_line(method), *(text(numbers.get((source, method, t.name))) for t in shown), one_line(source))
            for source, method in dict.fromkeys((source, method) for source, method, _ in numbers)
        )
        if lines:
            tables[section] = TextTable(("Method", *map(heading, shown), "Source"), lines)
    return tables


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _scaled(value: float | None, unit: float) -> str:
    return MISSING if value is None else f"{value / unit:.3g}" if value < 1000 * unit else f"{value / unit:.0f}"


def _cells(*texts: str) -> tuple[TextCell, ...]:
    return tuple(map(TextCell, texts))
