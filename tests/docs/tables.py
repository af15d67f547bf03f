"""Write the parts of the documentation that are made from records and plugins: `python -m tests.docs.tables`.

A page chooses and orders the rows of its tables, and the components between its marks; here the rest is filled in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import fmean

from tests.docs.pages import DOCS

from freeshot.leaderboard import boards
from freeshot.leaderboard.board import Board, Extensions
from freeshot.leaderboard.costs import costs
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.load import load_records
from freeshot.render.format import access, at_test, duration, optional
from makers.component_page import MARKED, Sources, signed, verdicts, with_components
from makers.paper_tables import with_paper_tables
from makers.readme_table import groups, mean_accuracy, with_numbers
from makers.suite_tables import with_suite_tables

RESULTS = DOCS.parent / "results"
COMPARED = re.compile(r"^\| `([a-z-]+)` \| `([a-z-]+)` \|.*$", re.MULTILINE)
LISTED = re.compile(r"^(\| \[`([a-z-]+)`\]\([a-z-]+\.md\) \| [^|]+ \| [^|]+ \| [^|]+ \|).*$", re.MULTILINE)
CHOSEN = re.compile(r"^(\| [^|]+ \| \[`([a-z-]+)`\]\(methods/[a-z-]+\.md\) \|).*$", re.MULTILINE)
RULES = re.compile(r"(<!-- rules: begin -->\n).*?(<!-- rules: end -->)", re.DOTALL)


@cache
def catalogue() -> Catalogue:
    """Load the installed plugins."""
    return Catalogue(load_plugins())


def pocket() -> Board:
    """Return the board of the pocket suite."""
    return board_of("pocket")


@cache
def paper() -> Board:
    """Read the committed records of the paper's suite, with the paper's numbers."""
    extensions = Extensions(suites=catalogue().suites(), published=catalogue().published())
    (board,) = boards(load_records(RESULTS / "paper").records, extensions)
    return board


@cache
def board_of(suite: str) -> Board:
    """Read the committed records of a suite."""
    (board,) = boards(load_records(RESULTS / suite).records, Extensions(suites=catalogue().suites()))
    return board


@cache
def sources() -> Sources:
    """Collect what descriptions of components are made from."""
    return Sources(catalogue(), pocket(), costs(pocket()))


def with_comparisons(text: str) -> str:
    """Fill in the mean difference of two methods, and the number of tracks of each verdict."""

    rows = {row.method: row for row in pocket().all_rows}

    def filled(match: re.Match[str]) -> str:
        difference, wins = verdicts(rows[match[1]], rows[match[2]])
        counts = [str(wins[verdict]) for verdict in ("better", "equal", "undecided", "worse")]
        return f"| `{match[1]}` | `{match[2]}` | {' | '.join([signed(difference), *counts])} |"

    return COMPARED.sub(filled, text)


def with_needs(text: str) -> str:
    """Fill in what each method needs, and its mean accuracy on the pocket suite."""
    means = {row.method: row.mean([track.name for track in pocket().tracks]) for row in pocket().all_rows}

    def filled(row: re.Match[str]) -> str:
        needs = ", ".join(sorted(map(str, getattr(catalogue().component("method", row[2]), "needs", ()))))
        return f"{row[1]} {needs or '–'} | {optional(means.get(row[2]), '.1f', 100)} |"

    return LISTED.sub(filled, text)


def with_choices(text: str) -> str:
    """Fill in tags, accuracies with one and five shots, and the time for one track of the methods of a page."""
    rows = {row.method: row for row in pocket().all_rows}
    prices = {cost.label: cost for cost in sources().costs}

    def filled(match: re.Match[str]) -> str:
        row, cost = rows[match[2]], prices[rows[match[2]].label]
        by_shot: dict[int, list[float]] = defaultdict(list)
        for section, shot in groups(pocket()):
            by_shot[shot].append(mean_accuracy(pocket(), row, section, shot))
        means = [f"{100 * fmean(by_shot[shot]):.1f}" for shot in sorted(by_shot)]
        device = " (GPU)" if "NVIDIA" in cost.device else ""
        seconds = [duration(cost.prepare_seconds) + device, duration(cost.evaluate_seconds) + device]
        return f"{match[1]} {' | '.join([access(row.tags), at_test(row.tags), *means, *seconds])} |"

    return CHOSEN.sub(filled, text)


def with_rules(text: str) -> str:
    """List the rules of the contract kit by kind."""
    from freeshot.testing.contract.all_rules import RULES as CONTRACT

    by_kind: dict[str, list[str]] = defaultdict(list)
    kinds = {kind for rule in CONTRACT for kind in rule.kinds}
    shared = [rule.title for rule in CONTRACT if len(rule.kinds) >= len(kinds) - 2]
    for rule in CONTRACT:
        for kind in rule.kinds:
            by_kind[kind].extend([rule.title] if rule.title not in shared else [])
    lines = ["every component", *(f"- {title}" for title in shared)]
    for kind, titles in by_kind.items():
        lines += ["", kind, *(f"- {title}" for title in titles)]
    body = re.sub(r"^([^-\n].*)$", r"**\1**\n", "\n".join(lines), flags=re.MULTILINE)
    return RULES.sub(lambda mark: f"{mark[1]}\n{body}\n\n{mark[2]}", text)


def with_parts(text: str) -> str:
    """Fill in the descriptions of components."""
    return with_components(text, sources())


def _pages() -> dict[Path, tuple[Callable[[str], str], ...]]:
    described = [page for page in sorted(DOCS.rglob("*.md")) if MARKED.search(page.read_text(encoding="utf-8"))]
    return {
        DOCS / "findings.md": (
            with_comparisons,
            lambda text: with_paper_tables(text, paper()),
            lambda text: with_suite_tables(text, board_of),
        ),
        DOCS / "methods" / "index.md": (with_needs,),
        DOCS / "index.md": (lambda text: with_numbers(text, pocket()),),
        DOCS / "choose.md": (with_choices, with_comparisons),
        DOCS / "reference" / "contract.md": (with_rules,),
        **dict.fromkeys(described, (with_parts,)),
    }


PAGES = _pages()


def refreshed(page: Path) -> str:
    """Return the text of a page with its generated parts made again."""
    text = page.read_text(encoding="utf-8")
    for fill in PAGES[page]:
        text = fill(text)
    return text


def main() -> None:
    """Rewrite the pages in place."""
    for page in PAGES:
        page.write_text(refreshed(page), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
