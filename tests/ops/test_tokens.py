"""Patches are gathered behind the class token, and mirrored as the picture is."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from freeshot.ops.tokens import gather_patches, mirror_patches


def test_the_class_token_comes_first_and_patches_in_the_given_order() -> None:
    tokens = torch.arange(2 * 5 * 3).reshape(2, 5, 3)
    kept = torch.tensor([[0, 3], [1, 2]])
    gathered = gather_patches(tokens, kept)
    assert torch.equal(gathered, torch.stack([tokens[0, [0, 1, 4]], tokens[1, [0, 2, 3]]]))


def test_gathering_every_patch_changes_nothing() -> None:
    tokens = torch.randn(2, 10, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gather_patches(tokens, torch.arange(9).expand(2, -1)), tokens)


@given(st.integers(1, 8), st.data())
def test_mirrored_patches_are_those_of_the_flipped_grid(side: int, data: st.DataObject) -> None:
    kept = sorted(data.draw(st.sets(st.integers(0, side * side - 1), min_size=1)))
    grid = torch.zeros(side * side, dtype=torch.bool)
    grid[kept] = True
    flipped = grid.view(side, side).flip(1).flatten().nonzero().flatten()
    assert torch.equal(mirror_patches(torch.tensor([kept]), side), flipped.unsqueeze(0))


def test_mirroring_twice_gives_the_patches_back() -> None:
    kept = torch.tensor([[0, 1, 7], [2, 4, 8]])
    assert torch.equal(mirror_patches(mirror_patches(kept, 3), 3), kept)
