"""Write the leaderboards of a results folder, and detect outdated ones."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from freeshot.basics.files import fingerprint, write_text
from freeshot.leaderboard.board import NO_EXTENSIONS, Extensions, boards
from freeshot.records.load import LEADERBOARD, load_records
from freeshot.records.models import RunRecord
from freeshot.render.html.page import html
from freeshot.render.markdown import GENERATED, markdown

SHEETS = "sheets"
"""Folder in the results folder with pictures of surrogates."""


def write_leaderboards(results: Path, extensions: Extensions = NO_EXTENSIONS) -> list[Path]:
    """Write `<suite>.md` for each suite and one `index.html` for all; remove pages of suites without records."""
    pages = _pages(results, extensions)
    for path, text in pages.items():
        write_text(path, text)
    for path in _orphans(results, pages):
        path.unlink()
    return list(pages)


def stale_leaderboards(results: Path, extensions: Extensions = NO_EXTENSIONS) -> list[Path]:
    """List the leaderboards that are missing, differ from the records, or have no records left."""
    pages = _pages(results, extensions)
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_bytes() != text.encode()]
    return stale + _orphans(results, pages)


def _pages(results: Path, extensions: Extensions) -> dict[Path, str]:
    suites: dict[str, list[RunRecord]] = defaultdict(list)
    for record in load_records(results).records:
        suites[record.spec.suite].append(record)
    folder = results / LEADERBOARD
    by_suite = {suite: boards(suites[suite], extensions) for suite in sorted(suites)}
    pages = {folder / f"{_slug(suite)}.md": markdown(of_suite) for suite, of_suite in by_suite.items()}
    if pages:
        by_size = sorted(suites, key=lambda suite: (-len({r.spec.method.name for r in suites[suite]}), suite))
        every = [board for suite in by_size for board in by_suite[suite]]
        pages[folder / "index.html"] = html(every, sorted((results / SHEETS).glob("*.png")))
    return pages


def _slug(suite: str) -> str:
    """Convert a suite's name to a short safe file name, with a hash if the name was changed."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", suite)[:80].strip(".-")
    return slug if slug == suite else f"{slug or 'suite'}-{fingerprint(suite, 6)}"


def _orphans(results: Path, pages: dict[Path, str]) -> list[Path]:
    """List obsolete generated pages; pages not written by FreeShot are not listed."""
    folder = results / LEADERBOARD
    written = [*sorted(folder.glob("*.md")), *folder.glob("index.html")]
    return [p for p in written if p not in pages and p.read_bytes().startswith(GENERATED.encode())]
