"""The toy network, and LoRAs for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from freeshot.contracts.pool import LoraEntry
from freeshot.engine.lora.bank import slots_of, widths_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.pool.store import write_card, write_entry
from freeshot.testing.toy import WIDTH

MakeEntry = Callable[..., LoraEntry]
WritePool = Callable[..., Path]


@pytest.fixture(scope="session")
def make_entry(backbone: Backbone) -> MakeEntry:
    """Return a function that makes strong LoRAs, exact in half precision, with heads of two classes."""

    def make(number: int, rank: int = 2, scale: float = 0.3, targets: tuple[str, ...] = ("q", "v")) -> LoraEntry:
        rng = torch.Generator().manual_seed(number)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=rng).half().float()

        factors = {}
        for slot in slots_of(backbone.vit, targets):
            layer: Any = backbone.vit.get_submodule(slot.module)
            b = (normal(slot.stop - slot.start, rank) * scale).half().float()
            factors[slot] = (normal(rank, layer.in_features), b)
        classes = (f"toy-waves/wave-{number}", f"toy-waves/wave-{number + 1}")
        facts = {"held_out_accuracy": 0.75}
        return LoraEntry(
            f"lora-{number:03d}", rank, factors, normal(2, WIDTH), normal(2), classes, (number, number + 1), facts
        )

    return make


@pytest.fixture(scope="session")
def write_pool(backbone: Backbone) -> WritePool:
    """Return a function that writes entries as a complete pool."""

    def write(folder: Path, *entries: LoraEntry) -> Path:
        widths = widths_of(backbone.vit, entries[0].factors)
        lines = [write_entry(folder / entry.name, entry, "toy-vit", widths) for entry in entries]
        write_card(folder, "small", "toy-vit", backbone.sha256, lines, "toy-waves: Apache-2.0")
        return folder

    return write
