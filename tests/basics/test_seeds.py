"""Random streams are named, stable and independent of each other."""

from __future__ import annotations

import torch

from freeshot.basics.seeds import derive, stream


def test_seeds_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert derive(0) == 3_456_079_177_858_693_020
    assert derive(0, "episodes", "sketch", 5) == 5_510_536_662_596_038_529
    assert derive(7, "LoRA", 3) == 3_974_140_367_824_516_883


def test_a_seed_has_63_bits() -> None:
    assert all(0 <= derive(0, number) < 2**63 for number in range(200))


def test_root_and_every_name_matter() -> None:
    seeds = {derive(0), derive(1), derive(0, "a"), derive(0, "b"), derive(0, "a", "b"), derive(0, "b", "a")}
    assert len(seeds) == 6


def test_opening_another_stream_does_not_change_existing_ones() -> None:
    alone = torch.rand(5, generator=stream(3, "images"))
    torch.rand(100, generator=stream(3, "another"))
    torch.rand(100)
    assert torch.equal(torch.rand(5, generator=stream(3, "images")), alone)


def test_opening_a_stream_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(5, generator=stream(3, "images"))
    assert torch.equal(torch.get_rng_state(), before)
