"""The generated parts of the documentation's pages about components, between two marks.

A page names a component with `<!-- component: method free -->`; everything up to `<!-- end -->` is replaced by what
its class states (summary, notes, paper, needs, options) and, for a method, by its results in the records of a board.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import cleandoc
from statistics import fmean
from urllib.parse import urlencode

from freeshot.contracts.component import Choice, Component, Option, describe_type, options_of
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.costs import Cost
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import verdict_intervals
from freeshot.plugin.catalogue import Catalogue
from freeshot.render.format import access, amount, at_test, duration
from freeshot.render.html.cards import link
from freeshot.stats.paired_tests import verdict
from makers.readme_table import groups, mean_accuracy

MARKED = re.compile(r"(<!-- component: ([a-z-]+) ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FOLDED = '<details markdown="1"><summary>Options of {name}</summary>\n\n{options}\n\n</details>'
"""Options of a component that shares its page with others; methods have a page each."""


@dataclass(frozen=True)
class Sources:
    """What pages are made from: the installed plugins, and the records of a suite as a board with its costs."""

    catalogue: Catalogue
    board: Board
    costs: tuple[Cost, ...]


def with_components(page: str, sources: Sources) -> str:
    """Return the page with all generated parts refreshed; FreeshotError for a name that no plugin provides."""

    def filled(match: re.Match[str]) -> str:
        kind, name = match[2], match[3]
        return f"{match[1]}{described(kind, name, sources)}\n{match[4]}"

    return MARKED.sub(filled, page)


def described(kind: str, name: str, sources: Sources) -> str:
    """Describe a component as Markdown: summary and notes, facts, results of a method, options."""
    cls = sources.catalogue.component(kind, name)
    rows = [row for row in sources.board.all_rows if row.method == name] if kind == "method" else []
    summary, _, notes = cleandoc(cls.__doc__ or "").partition("\n")
    parts = [f"**{summary}**", *(" ".join(text.split()) for text in notes.split("\n\n") if text.strip())]
    parts.append(_table(("At a glance", f"`{name}`"), _facts(cls, rows, sources.board)))
    if rows:
        parts += ["## Results on the pocket suite", *(_results(row, sources) for row in rows)]
    elif kind == "method":
        parts.append("No results on the pocket suite have been recorded yet.")
    options = _options(options_of(cls).values(), _settings(sources, name) if kind == "method" else {})
    if kind == "method":
        parts += ["## Options", options]
    elif options_of(cls):
        parts.append(FOLDED.format(name=name, options=options))
    return "\n\n".join(part for part in parts if part)


def _facts(cls: type[Component], rows: list[Entry], board: Board) -> list[tuple[str, ...]]:
    component = cls()
    paper, code = link(cls.paper_url), link(cls.code_url)
    facts = [("Paper", f"[{cls.citation or paper}]({paper})" if paper else cls.citation)]
    facts.append(("Code", f"[{code.partition('//')[2]}]({code})" if code else ""))
    if cls.kind == "method":
        needs = ", ".join(sorted(map(str, getattr(component, "needs", ()))))
        facts.append(("Needs", needs or "the frozen backbone only"))
        facts += [("Data", f"`{access(row.tags)}`") for row in rows]
        facts += [("At test", at_test(row.tags)) for row in rows]
        facts += [("Role", f"control ({row.tags.role})") for row in rows if row.is_control]
        facts += [("Leaderboard", f"[its row, and the episodes of each number]({_card(row, board)})") for row in rows]
        facts.append(("Run it", f"`freeshot run {board.suite} --method {cls.name}`"))
    elif data := getattr(component, "data_free", ""):
        facts.append(("Data", f"`{data}`"))
    return [(f"**{name}**", _escaped(value)) for name, value in facts if value]


def _card(row: Entry, board: Board) -> str:
    """Return the address of a row's card on the leaderboard page, from a page of a method."""
    view = urlencode([("open", "row"), ("open", row.label)])
    return f"../leaderboard/index.html#{board.suite}@{board.version}?{view}"


def _results(row: Entry, sources: Sources) -> str:
    """State a row's accuracy by group of tracks, its difference to the reference, and its cost."""
    board = sources.board
    named = [f"{section} {shot}-shot" for section, shot in groups(board)]
    means = [f"{100 * mean_accuracy(board, row, *group):.1f}" for group in groups(board)]
    overall = row.mean([track.name for track in board.tracks])
    header = ("tracks", *named, "all")
    lines = [("accuracy in %", *means, "–" if overall is None else f"{100 * overall:.1f}")]
    table = _table(header, lines, align="---|" + "---:|" * (len(header) - 1))
    prices = [_price(cost) for cost in sources.costs if cost.label == row.label]
    return "\n\n".join([table, " ".join([*_standing(row, board), *prices])])


def verdicts(first: Entry, second: Entry) -> tuple[float, Counter[str]]:
    """Return the difference first − second, averaged over shared tracks, and the number of tracks of each verdict."""
    tracks = [track for track in first.averages if track in second.averages]
    intervals = [verdict_intervals((first, second), track, [(0, 1)])[0] for track in tracks]
    return fmean(interval.mean for interval in intervals), Counter(map(verdict, intervals))


def _standing(row: Entry, board: Board) -> list[str]:
    sentences = []
    if row.average_rank is not None:
        ranks = [other.average_rank for other in board.rows if other.average_rank is not None]
        place = 1 + sum(rank < row.average_rank for rank in ranks)
        sentences.append(f"Average rank {row.average_rank:.1f}, number {place} of {len(ranks)}.")
    reference = next((other for other in board.all_rows if other.method == board.reference != row.method), None)
    if reference is not None:
        difference, wins = verdicts(row, reference)
        sentences.append(
            f"{signed(difference)} points against [`{board.reference}`]({board.reference}.md): better on "
            f"{wins['better']} of {wins.total()} tracks, equal on {wins['equal']}, undecided on {wins['undecided']}, "
            f"worse on {wins['worse']}."
        )
    return sentences


def _price(cost: Cost) -> str:
    learned = f"; {cost.learned:,} weights are learned beforehand" if cost.learned else ""
    tuned = f"; {cost.tuned:,} weights are tuned in each episode" if cost.tuned else ""
    queries = f"; {cost.queries:,.0f} images are sent to the LoRAs" if cost.queries else ""
    return (
        f"One track takes {duration(cost.prepare_seconds)} to prepare and {duration(cost.evaluate_seconds)} to "
        f"evaluate without cache, and at most {amount(cost.peak_mib, 'MiB')} ({cost.device}){learned}{tuned}{queries}."
    )


def _settings(sources: Sources, method: str) -> dict[str, str]:
    """Return the options that the suite's full profile sets for a method."""
    suite = sources.catalogue.suite(sources.board.suite)
    rows = [row for row in suite.profiles["full"].rows if row.method == method]
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
    changed = " ".join(f"-o {key}={value}" for key, value in settings.items())
    note = f"The pocket suite runs it with `{changed}`." if changed else ""
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
