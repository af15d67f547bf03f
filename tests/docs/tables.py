"""Write the tables of the documentation that are made from records and plugins: `python -m tests.docs.tables`.

A page chooses and orders the rows of its table; here the other columns are filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.docs.pages import DOCS

from freeshot.leaderboard import boards
from freeshot.leaderboard.compare import compare
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.load import load_records

RESULTS = DOCS.parent / "results"
COMPARED = re.compile(r"^\| `([a-z-]+)` \| `([a-z-]+)` \|.*$", re.MULTILINE)
LISTED = re.compile(r"^(\| `([a-z-]+)` \| [^|]+ \| [^|]+ \| [^|]+ \|).*$", re.MULTILINE)


def with_comparisons(text: str) -> str:
    """Fill in the mean difference of two methods, and the number of tracks of each verdict."""
    (board,) = boards(load_records(RESULTS / "pocket").records)

    def filled(row: re.Match[str]) -> str:
        found = compare(board, row[1], row[2])
        counts = [str(found.wins[verdict]) for verdict in ("better", "equal", "undecided", "worse")]
        difference = f"{100 * found.mean_difference:+.1f}".replace("-", "−")
        return f"| `{row[1]}` | `{row[2]}` | {' | '.join([difference, *counts])} |"

    return COMPARED.sub(filled, text)


def with_sources(text: str) -> str:
    """Fill in what each method needs, and the paper that its plugin cites."""
    catalogue = Catalogue(load_plugins())

    def filled(row: re.Match[str]) -> str:
        method = catalogue.component("method", row[2])
        needs = ", ".join(sorted(map(str, getattr(method, "needs", ()))))
        return f"{row[1]} {needs or '–'} | {method.citation or '–'} |"

    return LISTED.sub(filled, text)


PAGES: dict[Path, Callable[[str], str]] = {
    DOCS / "findings.md": with_comparisons,
    DOCS / "methods" / "index.md": with_sources,
}


def main() -> None:
    """Rewrite the pages in place."""
    for page, fill in PAGES.items():
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
