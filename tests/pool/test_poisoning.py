"""Poisoned pools: the share of LoRAs in the name is poisoned, always the same LoRAs, and without a mark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from freeshot.basics.errors import PoolError
from freeshot.pool.variants import Variant, split_name, varied

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.contracts.pool import LoraPool


def poisoned(pool: LoraPool, kind: str, percent: int) -> set[str]:
    actual = varied(pool, Variant(kind, percent)).entries
    return {old.name for old, new in zip(pool.entries, actual, strict=True) if old is not new}


def test_a_name_specifies_the_variant() -> None:
    assert split_name("pocket/sketch+noise30") == ("pocket/sketch", Variant("noise", 30))
    assert split_name("pocket") == ("pocket", None)


@pytest.mark.parametrize("name", ["pocket+nois30", "pocket+noise", "pocket+noise10000", "pocket+"])
def test_an_invalid_variant_is_an_error(name: str) -> None:
    with pytest.raises(PoolError, match=r"expected one of noise, .* and a number\. Use e\.g\. 'pocket\+first10'"):
        split_name(name)


def test_more_than_all_cannot_be_poisoned(pool: LoraPool) -> None:
    with pytest.raises(PoolError, match=r"101 % of the LoRAs of 'toy' cannot be poisoned\. Choose 0 to 100\."):
        varied(pool, Variant("noise", 101))


@pytest.mark.parametrize("kind", ["noise", "mislabelled"])
def test_a_larger_share_includes_the_loras_of_a_smaller_share(pool: LoraPool, kind: str) -> None:
    shares = [poisoned(pool, kind, percent) for percent in (0, 25, 50, 100)]
    assert [len(share) for share in shares] == [0, 1, 2, 4]
    assert shares[1] < shares[2] < shares[3]


def test_noise_has_the_spread_of_the_weights_it_replaces(pool: LoraPool) -> None:
    for old, new in zip(pool.entries, varied(pool, Variant("noise", 100)).entries, strict=True):
        assert new.head_weight is old.head_weight
        for slot, factors in old.factors.items():
            for before, after in zip(factors, new.factors[slot], strict=True):
                assert before.shape == after.shape
                assert float(after.norm() / before.norm()) == pytest.approx(1, abs=0.35)
                assert abs(float((after * before).sum() / before.square().sum())) < 0.5


def test_no_class_keeps_its_row_where_labels_are_permuted(pool: LoraPool) -> None:
    for old, new in zip(pool.entries, varied(pool, Variant("mislabelled", 100)).entries, strict=True):
        assert (new.classes, new.class_ids, new.factors) == (old.classes, old.class_ids, old.factors)
        rows = [
            next(o for o in range(5) if torch.equal(old.head_weight[o], row) and old.head_bias[o] == bias)
            for row, bias in zip(new.head_weight, new.head_bias, strict=True)
        ]
        assert sorted(rows) == list(range(5))
        assert all(index != row for index, row in enumerate(rows))


def test_name_facts_and_rank_of_a_poisoned_lora_are_unchanged(pool: LoraPool) -> None:
    for old, new in zip(pool.entries, varied(pool, Variant("noise", 100)).entries, strict=True):
        assert (new.name, new.facts, new.rank) == (old.name, old.facts, old.rank)


def test_a_poisoned_pool_is_another_pool_and_always_the_same(pool: LoraPool) -> None:
    first, again = (varied(pool, Variant("noise", 50)) for _ in range(2))
    assert first.sha256 == again.sha256
    assert len({pool.sha256, first.sha256, varied(pool, Variant("noise", 25)).sha256}) == 3
    assert first.name == "toy+noise50"
    for ours, theirs in zip(first.entries, again.entries, strict=True):
        assert all(torch.equal(a[0], theirs.factors[slot][0]) for slot, a in ours.factors.items())


def test_a_poisoned_part_of_a_pool_is_not_the_poisoned_whole(pool: LoraPool) -> None:
    part = replace(pool, entries=pool.entries[:2])
    assert varied(part, Variant("noise", 50)).sha256 != varied(pool, Variant("noise", 50)).sha256


def test_a_track_selects_a_poisoned_pool_by_name(toy: Toy) -> None:
    clean, bad = (toy.record("lora-average", track=t, suite=None) for t in ("toy/in-domain/2w1s", "poisoned/toy/2w1s"))
    assert clean.hashes["pool"] != bad.hashes["pool"]
    assert clean.hashes["episodes"] == bad.hashes["episodes"]


def test_the_pocket_suites_poisoned_tracks_use_the_validation_episodes() -> None:
    from freeshot_vision.pocket.tracks import TRACKS

    tracks = {track.name: track for track in TRACKS}
    chosen = [track for track in TRACKS if track.name.startswith("poisoned/")]
    assert len(chosen) == 4
    for track in chosen:
        clean = tracks[track.name.replace("/".join(track.name.split("/")[:2]), "validation")]
        assert (track.split, track.episodes_sha256) == ("validation", clean.episodes_sha256)
        assert clean.episodes_sha256
