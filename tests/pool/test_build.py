"""A pool is built, continued after an interruption, and never overwritten."""

from __future__ import annotations

import dataclasses
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import freeshot.pool.build as building
from freeshot.basics.errors import PoolError
from freeshot.contracts.events import Event, Progress
from freeshot.contracts.pool import LoraPool
from freeshot.engine.vit.backbone import Backbone
from freeshot.plugin import hookimpl
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool import store
from freeshot.pool import train_loras as tuning
from freeshot.pool.build import PoolRequest, build_pool
from freeshot.pool.store import open_pool
from freeshot.pool.train_loras import TuningTask


@pytest.fixture(autouse=True)
def _only_toy_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREESHOT_PLUGINS", "toy")


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the LoRAs that are tuned from now on."""
    names: list[str] = []
    tune = tuning.tune

    def watched(backbone: Backbone, tasks: Sequence[TuningTask], *rest: Any) -> Any:
        names.extend(task.name for task in tasks)
        return tune(backbone, tasks, *rest)

    monkeypatch.setattr(building, "tune", watched)
    return names


class ProgressListener:
    """Record the progress events of a build; without a list, fail at every event."""

    def __init__(self, received: list[tuple[int, int]] | None) -> None:
        self.received = received

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        if self.received is None:
            raise OSError("no list")
        if isinstance(event, Progress):
            self.received.append((event.done, event.total))


def request(out: Path, **changes: Any) -> PoolRequest:
    plain = PoolRequest("two", ("toy-waves",), 2, "toy-vit", rank=2, way=3, steps=2, at_once=1, out=out)
    return dataclasses.replace(plain, **changes)


def built(out: Path, **changes: Any) -> LoraPool:
    host = load_plugins()
    return build_pool(request(out, **changes), Catalogue(host), host)


def interrupted(out: Path, **changes: Any) -> None:
    """Build until all LoRAs are tuned, and interrupt before the card is written."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "write_card", stop)
        with pytest.raises(KeyboardInterrupt):
            built(out, **changes)


def test_a_pool_is_built_and_opens(tmp_path: Path, backbone: Backbone) -> None:
    pool = built(tmp_path)
    assert open_pool(tmp_path, backbone.sha256).sha256 == pool.sha256
    assert [(e.name, e.rank, len(e.classes)) for e in pool.entries] == [("lora-000", 2, 3), ("lora-001", 2, 3)]
    assert pool.license == "toy-waves: Apache-2.0"
    for entry in pool.entries:
        assert entry.classes == tuple(f"toy-waves/wave-{number}" for number in entry.class_ids)  # base: 0…5
        assert len(set(entry.class_ids)) == 3
        assert entry.facts["training_images"] == 3 * 16


def test_the_same_request_builds_the_same_pool(tmp_path: Path) -> None:
    assert built(tmp_path / "a").sha256 == built(tmp_path / "b").sha256


def test_the_number_of_loras_tuned_at_once_changes_no_task(tmp_path: Path) -> None:
    single = built(tmp_path / "a")
    assert [e.classes for e in built(tmp_path / "b", at_once=8).entries] == [e.classes for e in single.entries]


def test_fewer_held_out_images_change_no_lora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out: list[int] = []
    tune = tuning.tune

    def watched(backbone: Backbone, tasks: Sequence[TuningTask], *rest: Any) -> Any:
        held_out.extend(int(task.held_out.sum()) for task in tasks)
        return tune(backbone, tasks, *rest)

    monkeypatch.setattr(building, "tune", watched)
    all_images, few = built(tmp_path / "every"), built(tmp_path / "few", held_out_images=1)
    assert held_out[2:] == [3, 3]  # one of each class
    assert min(held_out[:2]) > 3
    for first, second in zip(all_images, few, strict=True):
        for slot, (a, b) in first.factors.items():
            assert a.equal(second.factors[slot][0])
            assert b.equal(second.factors[slot][1])
        assert first.facts["training_images"] == second.facts["training_images"]


def test_an_interrupted_build_tunes_only_the_missing_loras(tmp_path: Path, tuned: list[str]) -> None:
    whole = built(tmp_path / "whole")
    tuned.clear()
    interrupted(tmp_path / "pool")
    assert tuned == ["lora-000", "lora-001"]
    next((tmp_path / "pool").glob(".block-001-*")).unlink()
    assert built(tmp_path / "pool").sha256 == whole.sha256
    assert tuned == ["lora-000", "lora-001", "lora-001"]


def test_a_build_that_lacks_only_its_card_tunes_nothing(tmp_path: Path, tuned: list[str]) -> None:
    interrupted(tmp_path)
    built(tmp_path)
    assert len(tuned) == 2


def test_a_note_of_overwritten_loras_is_ignored(tmp_path: Path, tuned: list[str]) -> None:
    whole = built(tmp_path / "whole")
    interrupted(tmp_path / "pool")
    interrupted(tmp_path / "pool", seed=1)
    tuned.clear()
    assert built(tmp_path / "pool").sha256 == whole.sha256
    assert tuned == ["lora-000", "lora-001"]


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '[{"name": "lora-001"}]', "[" * 100_000])
def test_a_damaged_note_repeats_only_its_block(tmp_path: Path, tuned: list[str], damaged: str) -> None:
    whole = built(tmp_path / "whole")
    tuned.clear()
    interrupted(tmp_path / "pool")
    next((tmp_path / "pool").glob(".block-001-*")).write_text(damaged)
    assert built(tmp_path / "pool").sha256 == whole.sha256
    assert tuned == ["lora-000", "lora-001", "lora-001"]


def test_notes_that_another_build_removed_are_not_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = store.write_card

    def faster(*arguments: Any) -> None:
        written(*arguments)
        notes = list(tmp_path.glob(building.NOTES))
        monkeypatch.setattr(Path, "glob", lambda *_: notes)
        notes[0].unlink()

    monkeypatch.setattr(building, "write_card", faster)
    assert len(built(tmp_path)) == 2


def test_a_finished_pool_keeps_no_notes(tmp_path: Path) -> None:
    interrupted(tmp_path)
    assert len(list(tmp_path.glob(building.NOTES))) == 2
    built(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora-000", "lora-001", "pool.json"]


def test_a_build_reports_its_progress_within_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(building, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    host = load_plugins()
    received: list[tuple[int, int]] = []
    host.manager.register(ProgressListener(received))
    build_pool(request(tmp_path, count=3, at_once=2), Catalogue(host), host)
    assert received == [(2, 6), (4, 6), (4, 6), (5, 6), (6, 6), (6, 6)]


def test_a_listener_that_raises_does_not_stop_the_build(tmp_path: Path) -> None:
    host = load_plugins()
    host.manager.register(ProgressListener(None))
    assert len(build_pool(request(tmp_path), Catalogue(host), host)) == 2
    assert any(failure.hook == "freeshot_event" for failure in host.failures)


@pytest.mark.parametrize("change", [{"steps": 3}, {"seed": 1}, {"rank": 1}, {"way": 2}, {"lr": 0.1}])
def test_another_recipe_reuses_nothing_of_an_interrupted_build(
    tmp_path: Path, tuned: list[str], change: dict[str, Any]
) -> None:
    interrupted(tmp_path, count=1)
    built(tmp_path, count=1, **change)
    assert tuned == ["lora-000", "lora-000"]


def test_a_finished_pool_is_not_overwritten(tmp_path: Path) -> None:
    built(tmp_path)
    card = (tmp_path / "pool.json").read_bytes()
    with pytest.raises(PoolError) as caught:
        built(tmp_path, steps=1)
    assert str(caught.value) == (f"{tmp_path} already holds a pool. Choose another --out, or delete that folder first.")
    assert (tmp_path / "pool.json").read_bytes() == card


def test_too_few_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolError) as caught:
        built(tmp_path, way=7)
    assert str(caught.value) == "'toy-waves' has 6 base classes, too few for 7-way tasks."


KILLED = """
import sys
from pathlib import Path
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool.build import PoolRequest, build_pool
host = load_plugins()
request = PoolRequest("two", ("toy-waves",), 2, "toy-vit", rank=2, way=3, steps=int(sys.argv[2]), at_once=1,
                      out=Path(sys.argv[1]))
build_pool(request, Catalogue(host), host)
"""


def test_a_build_that_was_killed_continues_and_ends_with_the_same_bits(tmp_path: Path, tuned: list[str]) -> None:
    steps = 60
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "pool"), str(steps)])
    while not list((tmp_path / "pool").glob(".block-000-*")):  # the first LoRA is written, the second under way
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "pool" / "pool.json").exists()
    continued = built(tmp_path / "pool", steps=steps)
    assert tuned == ["lora-001"]
    assert continued.sha256 == built(tmp_path / "whole", steps=steps).sha256


def test_two_builds_at_once_share_the_work(tmp_path: Path, tuned: list[str]) -> None:
    with ThreadPoolExecutor(2) as both:
        pools = list(both.map(lambda _: built(tmp_path / "pool", count=4, steps=20), range(2)))
    assert sorted(tuned) == ["lora-000", "lora-001", "lora-002", "lora-003"]
    assert {pool.sha256 for pool in pools} == {built(tmp_path / "alone", count=4, steps=20).sha256}
    assert sorted(path.name for path in (tmp_path / "pool").iterdir()) == [*dict.fromkeys(sorted(tuned)), "pool.json"]
