"""The generated parts of the documentation's pages about components, between two marks.

A page asks for a component with `<!-- component: method free -->`; everything up to `<!-- end -->` is replaced by what
its class states (summary, notes, paper, needs, options) and, for a method, by its results in the records of a board.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import cleandoc

from freeshot.contracts.component import Choice, Component, Option, describe_type, options_of
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import compare
from freeshot.leaderboard.costs import Cost, costs
from freeshot.leaderboard.entry import Entry
from freeshot.plugin.catalogue import Catalogue
from freeshot.render.format import access, amount, at_test, duration
from makers.readme_table import groups, mean_accuracy

MARKED = re.compile(r"(<!-- component: ([a-z-]+) ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEADING = {"method": "##", "inversion": "####", "meta-learner": "####", "strategy": "####"}
"""Level of the headings inside of a part; only methods have a page of their own."""


def with_components(page: str, catalogue: Catalogue, board: Board) -> str:
    """Return the page with all generated parts refreshed; FreeshotError for a name that no plugin provides."""

    def filled(match: re.Match[str]) -> str:
        kind, name = match[2], match[3]
        return f"{match[1]}{described(kind, catalogue, name, board)}\n{match[4]}"

    return MARKED.sub(filled, page)


def described(kind: str, catalogue: Catalogue, name: str, board: Board) -> str:
    """Describe a component as Markdown: summary and notes, facts, results of a method, options."""
    cls = catalogue.component(kind, name)
    rows = [row for row in board.all_rows if row.method == name] if kind == "method" else []
    summary, _, notes = cleandoc(cls.__doc__ or "").partition("\n")
    parts = [f"**{summary}**", *(" ".join(text.split()) for text in notes.split("\n\n") if text.strip())]
    parts.append(_table(("", ""), _facts(cls, rows)))
    if rows:
        parts += [f"{HEADING[kind]} Results on the pocket suite", *(_results(row, board) for row in rows)]
    parts.append(f"{HEADING[kind]} Options{'' if kind == 'method' else f' of {name}'}")
    parts.append(_options(options_of(cls).values(), _settings(catalogue, board.suite, name) if rows else {}))
    return "\n\n".join(part for part in parts if part)


def _facts(cls: type[Component], rows: list[Entry]) -> list[tuple[str, ...]]:
    component = cls()
    facts = [("Paper", cls.citation)]
    if cls.kind == "method":
        needs = ", ".join(sorted(map(str, getattr(component, "needs", ()))))
        facts.append(("Needs", needs or "the frozen backbone only"))
        facts += [("Data", f"`{access(row.tags)}`") for row in rows]
        facts += [("At test", at_test(row.tags)) for row in rows]
        facts += [("Role", f"control ({row.tags.role})") for row in rows if row.is_control]
        facts.append(("Run it", f"`freeshot run pocket --method {cls.name}`"))
    elif data := getattr(component, "data_free", ""):
        facts.append(("Data", f"`{data}`"))
    return [(f"**{name}**", _escaped(value)) for name, value in facts if value]


def _results(row: Entry, board: Board) -> str:
    """State a row's accuracy by group of tracks, its difference to the reference, and its cost."""
    named = [f"{section} {shot}-shot" for section, shot in groups(board)]
    means = [f"{100 * mean_accuracy(board, row, *group):.1f}" for group in groups(board)]
    overall = row.mean([track.name for track in board.tracks])
    header = ("", *named, "all tracks")
    lines = [("accuracy in %", *means, "–" if overall is None else f"{100 * overall:.1f}")]
    table = _table(header, lines, align="---|" + "---:|" * (len(header) - 1))
    return "\n\n".join([table, " ".join([*_standing(row, board), *map(_price, _costs(row, board))])])


def _standing(row: Entry, board: Board) -> list[str]:
    sentences = []
    if row.average_rank is not None:
        ranks = [other.average_rank for other in board.rows if other.average_rank is not None]
        place = 1 + sum(rank < row.average_rank for rank in ranks)
        sentences.append(f"Average rank {row.average_rank:.1f}, number {place} of {len(ranks)}.")
    if board.reference and row.method != board.reference:
        result = compare(board, row.label, board.reference)
        total = len(result.tracks)
        sentences.append(
            f"{signed(result.mean_difference)} points against "
            f"[`{board.reference}`]({board.reference}.md): better on {result.wins['better']} of {total} tracks, "
            f"equal on {result.wins['equal']}, undecided on {result.wins['undecided']}, "
            f"worse on {result.wins['worse']}."
        )
    return sentences


def _costs(row: Entry, board: Board) -> list[Cost]:
    return [cost for cost in costs(board) if cost.label == row.label]


def _price(cost: Cost) -> str:
    learned = f"; {cost.learned:,} weights are learned beforehand" if cost.learned else ""
    tuned = f"; {cost.tuned:,} are tuned in each episode" if cost.tuned else ""
    queries = f"; {cost.queries:,.0f} images are sent to the LoRAs" if cost.queries else ""
    return (
        f"One track takes {duration(cost.prepare_seconds)} to prepare and {duration(cost.evaluate_seconds)} to "
        f"evaluate without cache, and at most {amount(cost.peak_mib, 'MiB')} ({cost.device}){learned}{tuned}{queries}."
    )


def _settings(catalogue: Catalogue, suite: str, method: str) -> dict[str, str]:
    """Return the options that the suite's full profile sets for a method."""
    rows = [row for row in catalogue.suite(suite).profiles["full"].rows if row.method == method]
    return {key: plain(value) for row in rows for key, value in row.options.items()}


def _options(options: Iterable[Option], settings: dict[str, str]) -> str:
    """List options with their defaults; the settings of the suite that differ follow."""
    lines = [
        (
            f"`{option.name}`",
            f"{option.default.kind}" if isinstance(option.default, Choice) else describe_type(option.type),
            f"`{plain(option.default)}`" if plain(option.default) else "",
            option.help,
        )
        for option in options
    ]
    table = _table(("option", "type", "default", "meaning"), [tuple(map(_escaped, line)) for line in lines])
    changed = " ".join(f"`-o {key}={value}`" for key, value in settings.items())
    note = f"The pocket suite runs it with {changed}." if changed else ""
    return "\n\n".join(filter(None, [table if lines else "It has no options.", note]))


def plain(value: object) -> str:
    """Format a value as it is typed after `-o name=`."""
    if isinstance(value, Choice):
        return " ".join([value.name, *(f".{key}={plain(setting)}" for key, setting in value.options)])
    if isinstance(value, tuple | list):
        return ",".join(map(plain, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def signed(points: float) -> str:
    """Format a difference of accuracies in points, with its sign."""
    return f"{100 * points:+.1f}".replace("-", "−")


def _table(header: tuple[str, ...], lines: Iterable[tuple[str, ...]], align: str = "") -> str:
    rows = [header, *lines]
    text = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([text[0], f"|{align or '---|' * len(header)}", *text[1:]])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
