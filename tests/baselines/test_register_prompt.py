"""Registers are tokens after the others, tuned for each episode alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tests.baselines.conftest import WAY, streams
from torch.nn.functional import cross_entropy

from freeshot.engine import forward
from freeshot.ops.prototypes import prototype_logits
from freeshot_baselines.adaptation.heads import leave_one_out
from freeshot_baselines.adaptation.register_prompt import RegisterLearner, RegisterPrompt

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot.engine import EpisodeBackbone

Episodes = tuple["Tensor", "Tensor"]
LABELS = torch.arange(WAY).repeat_interleave(2)


def slow(trunk: EpisodeBackbone, images: Tensor, registers: Tensor) -> Tensor:
    """Run timm's own parts one after the other, with tokens appended to the patches."""
    vit = trunk.vit
    tokens = vit._pos_embed(vit.patch_embed(trunk.normalize(images)))  # type: ignore[operator]
    tokens = torch.cat([tokens, registers.expand(len(images), -1, -1)], dim=1)
    for block in vit.blocks:  # type: ignore[union-attr]
        tokens = block(tokens)
    actual: Tensor = vit.norm(tokens)[:, 0]  # type: ignore[operator]
    return actual


def test_registers_are_appended_to_the_patches_of_their_group(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    registers = torch.randn(3, 2, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    actual = trunk.features(episodes[1], registers=registers)
    for e in range(3):
        assert torch.allclose(actual[e], slow(trunk, episodes[1][e], registers[e]), atol=1e-10)
    without = forward(trunk, episodes[1][0]).features
    assert torch.allclose(without, slow(trunk, episodes[1][0], registers[0][:0]), atol=1e-10)


def test_a_group_is_tuned_as_each_episode_alone_by_hand(trunk: EpisodeBackbone, episodes: Episodes) -> None:
    method = RegisterPrompt(registers=2, steps=3, lr=0.05)
    actual = RegisterLearner(trunk, method, 3).adapt_many(episodes[0], WAY, streams(3))(episodes[1])
    for e, rng in enumerate(streams(3)):
        registers = (0.02 * torch.randn(2, 48, generator=rng)).double().requires_grad_()
        optimizer = torch.optim.Adam([registers], lr=0.05)
        for _ in range(3):
            optimizer.zero_grad()
            shown = slow(trunk, episodes[0][e], registers)
            cross_entropy(leave_one_out(shown.unsqueeze(0), WAY)[0], LABELS).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            shown, requested = (slow(trunk, part[e], registers) for part in episodes)
        assert torch.allclose(
            actual[e], prototype_logits(requested, shown, LABELS, WAY, distance="euclidean"), atol=1e-8
        )


def test_its_row_is_strictly_data_free_and_tuned(toy: Toy) -> None:
    record = toy.record("register-prompt", suite=None, options=("steps=2",))
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", False)
