"""The shipped network and pool agree with their cards, and the frozen episodes are drawn as frozen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from freeshot.basics.files import file_sha256
from freeshot.engine import open_backbone
from freeshot.evaluation.episodes import track_episodes
from freeshot.pool.store import open_pool
from freeshot_vision.pocket import POOL, WEIGHTS
from freeshot_vision.pocket.backbone import PocketVit
from freeshot_vision.pocket.datasets import DATASETS
from freeshot_vision.pocket.tracks import TRACKS

if TYPE_CHECKING:
    from freeshot import Track

SHIPPED = [track for track in TRACKS if not track.optional]


def test_the_shipped_weights_are_those_of_the_card() -> None:
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert file_sha256(WEIGHTS) == card["sha256"]


def test_the_pool_was_tuned_on_the_shipped_network_and_every_lora_works() -> None:
    pool = open_pool(POOL, open_backbone(PocketVit()).sha256)
    assert len(pool) >= 40
    assert {entry.rank for entry in pool.entries} == {4}
    assert {entry.facts["dataset"] for entry in pool.entries} == {"sketch", "icons"}


def test_the_pool_has_base_classes_only() -> None:
    base = {f"{cls.name}/{name}" for cls in DATASETS[:2] for name in cls().load("base", Path("data")).classes}
    assert {name for entry in open_pool(POOL).entries for name in entry.classes} <= base


@pytest.mark.parametrize("track", SHIPPED, ids=lambda track: track.name)
def test_every_track_draws_its_frozen_episodes(track: Track) -> None:
    dataset = next(cls for cls in DATASETS if cls.name == track.dataset)
    assert track.episodes_sha256
    assert len(track_episodes(track, dataset().load(track.split, Path("data")))) == track.episodes
