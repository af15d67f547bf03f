"""A factory of small records whose numbers are known."""

from __future__ import annotations

import math
import os
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.contracts.tracks import Suite
from freeshot.leaderboard import Extensions
from freeshot.records.models import (
    ComponentSpec,
    IntervalRecord,
    Provenance,
    RunRecord,
    RunSpec,
    StageCost,
    Tags,
    TrackSpec,
)
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from tests.leaderboard.visits import Visit

EPISODES = 20
SKETCH = "in-domain/sketch/5w1s"
REFERENCE = "frozen-prototype"
SUITES = {"pocket": Suite("pocket", "", (), {}, reference=REFERENCE, pair=("lora-recycle", REFERENCE))}
PACKAGE = "axe_playwright_python"
INSTALLED = Extensions(suites=SUITES)
"""The extensions of a leaderboard when the suite's plugin is installed."""


def make_record(
    method: str = "alpha",
    track: str = SKETCH,
    mean: float = 0.5,
    *,
    version: int = 1,
    suite: str = "pocket",
    seed: int = 0,
    status: Any = "ok",
    reason: str = "",
    limit: int | None = None,
    options: dict[str, Any] | None = None,
    learner: str = "",
    learner_options: dict[str, Any] | None = None,
    learner_origin: str = "",
    role: str = "method",
    episodes_sha256: str = "aa",
    wobble: float = 0.1,
    phase: int = 0,
    device: str = "AMD EPYC",
    threads: int = 2,
    tuning_free: bool = True,
    backbone: str = "vit-toy",
    origin: str = "freeshot 0.1",
    finished: str = "2026-01-01T00:00:00+00:00",
) -> RunRecord:
    """Make a record whose accuracies swing around `mean`; equal phases swing together."""
    count = limit or EPISODES
    accuracies = [mean + wobble * (-1) ** ((i + phase * i) // 2) for i in range(count)] if status == "ok" else []
    interval = None
    if accuracies:
        actual = student_t(accuracies)
        center = math.fsum(accuracies) / count
        interval = IntervalRecord(mean=center, low=actual.low, high=actual.high, level=0.95, covers="episodes")
    shot = int(track[-2]) if track[-2].isdigit() else 1
    ours, theirs = options or {}, learner_options or {}
    part = ComponentSpec(
        kind="meta-learner", name=learner, options=theirs, origin=learner_origin, changed=tuple(theirs)
    )
    spec = RunSpec(
        suite=suite,
        track=TrackSpec(
            name=track, version=version, dataset="sketch", split="novel", pool="mix", sources=("sketch",), way=5,
            shot=shot, query=15, episodes=EPISODES, selection="none", episodes_sha256=episodes_sha256,
        ),
        method=ComponentSpec(kind="method", name=method, options=ours, origin=origin, changed=tuple(ours)),
        components={"learner": part} if learner else {},
        backbone=ComponentSpec(kind="backbone", name=backbone),
        seed=seed,
        limit=limit,
    )  # fmt: skip
    return RunRecord(
        cell=spec.cell,
        status=status,
        reason=reason or ("" if status == "ok" else f"It is {status}."),
        comparable=limit is None,
        spec=spec,
        tags=Tags(tuning_free=tuning_free, data_free="strict", role=role),
        interval=interval,
        accuracies=accuracies,
        stages=[
            StageCost(stage="inversion", seconds=30, peak_bytes=2**20 * 100, cached=True),
            StageCost(stage="meta-learning", seconds=12.5, peak_bytes=2**20 * 300),
            StageCost(stage="evaluation", seconds=1.25, peak_bytes=2**20 * 200),
        ],
        provenance=Provenance(
            freeshot="0.1", packages={}, python="3.11", platform="Linux", device=device, threads=threads,
            git_commit=None, git_dirty=None, finished=finished,
        ),
    )  # fmt: skip


@pytest.fixture
def record() -> Callable[..., RunRecord]:
    """Return the factory of records."""
    return make_record


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser, once for the tests of a file."""
    from tests.leaderboard.browser import chromium, open_browser

    executable = chromium()
    if executable is None:
        missing = "There is no Chromium; install it (Debian: apt-get install chromium) to test the page in a browser."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with open_browser(executable) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of tests.leaderboard.page_board."""
    from tests.leaderboard.page_board import write_page

    return write_page(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def window(browser: Browser, path: Path) -> Iterator[Visit]:
    """Open the page in its own window."""
    from tests.leaderboard.visits import visit

    with visit(browser, path, reduced_motion="reduce") as opened:
        yield opened


@pytest.fixture
def fresh(window: Visit) -> Iterator[Visit]:
    """Open the page in its first state; check that it logs no error and requests nothing else."""
    window.page.goto("about:blank")
    window.requests.clear()
    window.page.goto(window.address)
    yield window
    assert window.complaints == []
    assert {url.partition("#")[0] for url in window.requests if not url.startswith(("data:", "blob:"))} == {
        window.address
    }


@pytest.fixture
def opened(fresh: Visit) -> Visit:
    """Open the page in its first state, with the rows of all classes."""
    fresh.page.get_by_role("button", name="Show all").click()
    return fresh


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the source of axe-core."""
    if find_spec(PACKAGE) is None:
        missing = "axe-core is not installed. Install axe-playwright-python to test the page's accessibility."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return files(PACKAGE).joinpath("axe.min.js").read_text(encoding="utf-8")
