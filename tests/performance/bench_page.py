"""Five thousand records in the browser: how long the page takes to open, and to react."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from tests.leaderboard.browser import chromium, open_browser
from tests.performance.bench_leaderboard import EPISODES, METHODS, SEEDS, TRACKS, write_records
from tests.performance.measure import Table

from freeshot.render.write import results_page

GOAL = 1.0
"""Seconds to open the page."""
OPENED = "performance.getEntriesByType('navigation')[0].domComplete / 1000"
REACT = """change => {
  const start = performance.now();
  go(change);
  document.body.getBoundingClientRect();
  return (performance.now() - start) / 1000;
}"""
CHANGES = {"sort": {"sort": "-mean"}, "search": {"q": "method-1"}, "open a row": {"open": ["row", "method-00"]}}


def bench() -> Table:
    """Open the page three times after one that warms up, and change what it shows; medians."""
    executable = chromium()
    if executable is None:
        return Table("The page in the browser", "There is no Chromium, so nothing was measured.", ("step", "s"), ())
    with tempfile.TemporaryDirectory() as name, open_browser(executable) as browser:
        folder = Path(name)
        count = write_records(folder)
        page = folder / "index.html"
        page.write_text(results_page(folder), encoding="utf-8")
        rounds: dict[str, list[float]] = {}
        for _ in range(4):
            window = browser.new_page()
            window.goto(page.as_uri())
            rounds.setdefault("open the page", []).append(window.evaluate(OPENED))
            for step, change in CHANGES.items():
                rounds.setdefault(step, []).append(window.evaluate(REACT, change))
            window.close()
        size = page.stat().st_size / 2**20
    rows = tuple((step, f"{np.median(seconds[1:]):.2f}") for step, seconds in rounds.items())
    note = (
        f"{count} records of {EPISODES} episodes ({METHODS} methods × {TRACKS} tracks × {SEEDS} seeds), a page of "
        f"{size:.0f} MiB, Chromium. To reach: {GOAL:g} s to open it."
    )
    return Table("The page in the browser", note, ("step", "s"), rows)
