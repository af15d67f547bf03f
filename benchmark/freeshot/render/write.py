"""Write the leaderboards of a results folder, and detect outdated ones."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from freeshot.basics.files import fingerprint, write_text
from freeshot.leaderboard.board import NO_EXTENSIONS, Board, Extensions, boards
from freeshot.records.load import LEADERBOARD, load_records, record_paths
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


def results_page(results: Path, extensions: Extensions = NO_EXTENSIONS, episodes: str = "") -> str:
    """Return the HTML page of a results folder, with a link to the address of its episodes if they are served."""
    return _html(results, _by_suite(results, extensions), episodes)


def results_stamp(results: Path) -> tuple[tuple[str, int, int], ...]:
    """Identify the state of the files that a page is made from: path, size and time of change in ns."""
    files = [*record_paths(results), *(results / SHEETS).glob("*.png")]
    stamps = []
    for path in files:
        with suppress(FileNotFoundError):  # deleted or replaced meanwhile
            state = path.stat()
            stamps.append((str(path), state.st_size, state.st_mtime_ns))
    return tuple(sorted(stamps))


def _pages(results: Path, extensions: Extensions) -> dict[Path, str]:
    folder, by_suite = results / LEADERBOARD, _by_suite(results, extensions)
    pages = {folder / f"{_slug(suite)}.md": markdown(of_suite) for suite, of_suite in by_suite.items()}
    if pages:
        pages[folder / "index.html"] = _html(results, by_suite)
    return pages


def _by_suite(results: Path, extensions: Extensions) -> dict[str, tuple[Board, ...]]:
    suites: dict[str, list[RunRecord]] = defaultdict(list)
    for record in load_records(results).records:
        suites[record.spec.suite].append(record)
    return {suite: boards(suites[suite], extensions) for suite in sorted(suites)}


def _html(results: Path, by_suite: Mapping[str, tuple[Board, ...]], episodes: str = "") -> str:
    """Render all boards, the suite with most methods first."""
    by_size = sorted(by_suite, key=lambda suite: (-_methods(by_suite[suite]), suite))
    every = [board for suite in by_size for board in by_suite[suite]]
    return html(every, sorted((results / SHEETS).glob("*.png")), results.name or "results", episodes)


def _methods(of_suite: Sequence[Board]) -> int:
    return len({row.method for board in of_suite for row in board.all_rows})


def _slug(suite: str) -> str:
    """Convert a suite's name to a short safe file name, with a hash if the name was changed."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", suite)[:80].strip(".-")
    return slug if slug == suite else f"{slug or 'suite'}-{fingerprint(suite, 6)}"


def _orphans(results: Path, pages: dict[Path, str]) -> list[Path]:
    """List obsolete generated pages; pages not written by FreeShot are not listed."""
    folder = results / LEADERBOARD
    written = [*sorted(folder.glob("*.md")), *folder.glob("index.html")]
    return [p for p in written if p not in pages and p.read_bytes().startswith(GENERATED.encode())]
