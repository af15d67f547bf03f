"""The leaderboards that lie beside the records, and whether they still say what the records say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from freeshot.basics.files import fingerprint, write_text
from freeshot.contracts.columns import Column
from freeshot.contracts.published import Published
from freeshot.leaderboard.board import boards
from freeshot.records.load import LEADERBOARD, load_records
from freeshot.records.models import RunRecord
from freeshot.render.html.page import html
from freeshot.render.markdown import GENERATED, markdown

SHEETS = "sheets"
"""Folder beside the records with pictures of what was recovered."""


def write_leaderboards(
    results: Path, columns: Sequence[Column] = (), published: Sequence[Published] = ()
) -> list[Path]:
    """Write `<suite>.md` for each suite and one `index.html` for all, and remove those of suites without records."""
    pages = _pages(results, columns, published)
    for path, text in pages.items():
        write_text(path, text)
    for path in _orphans(results, pages):
        path.unlink()
    return list(pages)


def stale_leaderboards(
    results: Path, columns: Sequence[Column] = (), published: Sequence[Published] = ()
) -> list[Path]:
    """List the leaderboards that are missing, differ from what the records say, or have no records left."""
    pages = _pages(results, columns, published)
    return [path for path, text in pages.items() if _differs(path, text)] + _orphans(results, pages)


def _pages(results: Path, columns: Sequence[Column], published: Sequence[Published]) -> dict[Path, str]:
    suites: dict[str, list[RunRecord]] = defaultdict(list)
    for record in load_records(results).records:
        suites[record.spec.suite].append(record)
    folder = results / LEADERBOARD
    found = {suite: boards(suites[suite], columns, published=published) for suite in sorted(suites)}
    pages = {folder / f"{_slug(suite)}.md": markdown(drawn, columns) for suite, drawn in found.items()}
    if pages:
        every = [board for suite in _reading_order(suites) for board in found[suite]]
        pages[folder / "index.html"] = html(every, sorted((results / SHEETS).glob("*.png")), columns)
    return pages


def _reading_order(suites: Mapping[str, Sequence[RunRecord]]) -> list[str]:
    """Put the suite first on which most methods were run."""
    return sorted(suites, key=lambda suite: (-len({r.spec.method.name for r in suites[suite]}), suite))


def _slug(suite: str) -> str:
    """Turn a suite's name into a short file name that stays in the folder; tell those apart that then look alike."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", suite)[:80].strip(".-")
    return slug if slug == suite else f"{slug or 'suite'}-{fingerprint(suite, 6)}"


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()


def _orphans(results: Path, pages: dict[Path, str]) -> list[Path]:
    """List pages that we once wrote and no longer would; a page of another hand stays."""
    folder = results / LEADERBOARD
    written = [*sorted(folder.glob("*.md")), *folder.glob("index.html")]
    return [p for p in written if p not in pages and p.read_bytes().startswith(GENERATED.encode())]
