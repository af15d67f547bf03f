"""Carry the accuracy tables of a leaderboard into another page, between two marks: the README shows real numbers.

`python -m freeshot.report.excerpt README.md results/leaderboard/pocket.md`
"""

from __future__ import annotations

import sys
from pathlib import Path

from freeshot.basics.files import write_text

BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"


def accuracy_tables(page: str) -> str:
    """Return the part of a leaderboard page from its first table to the overview."""
    start = page.index("\n### ")
    return page[start : page.index("\n### Overview", start)].strip()


def with_tables(document: str, page: str) -> str:
    """Return the document with what stands between its marks replaced by the page's accuracy tables."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{accuracy_tables(page)}\n\n{END}{after}"


def main(document: Path, page: Path) -> None:
    """Rewrite a document in place."""
    write_text(document, with_tables(document.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
