"""A trained adapter as a folder: PEFT's own two files, and a card with its network.

adapter_config.json          read by `PeftModel.from_pretrained`
adapter_model.safetensors
freeshot.json                backbone and its hash, rank, rows, the file's hash, facts
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freeshot.basics.errors import PoolError, StoreError
from freeshot.basics.files import file_sha256
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.bank import widths_of
from freeshot.engine.lora.low_rank import padded
from freeshot.engine.lora.meta_model import adapter_of, factors_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.pool import ADAPTER_CARD
from freeshot.pool.cards import AdapterCard, read_adapter_card
from freeshot.pool.peft_format import WEIGHTS, from_peft, rows_of, write_adapter
from freeshot.pool.store import load_tensors


def export_adapter(folder: Path, adapter: Adapter, backbone: Backbone, facts: Mapping[str, Any]) -> None:
    """Write an adapter of this backbone in full precision; lower ranks are zero-padded. The card is written last."""
    parts = factors_of(adapter)
    rank = max(len(a) for a, _ in parts.values())
    factors = {slot: padded(a, b, rank) for slot, (a, b) in parts.items()}
    write_adapter(folder, factors, rank, backbone.name, widths_of(backbone.vit, factors))
    card = AdapterCard(
        format=1,
        backbone=backbone.name,
        backbone_sha256=backbone.sha256,
        rank=rank,
        rows=rows_of(factors),
        sha256=file_sha256(folder / WEIGHTS),
        facts=dict(facts),
    )
    card.write(folder / ADAPTER_CARD)


def require_free(folder: Path, run: Mapping[str, Any], *, overwrite: bool) -> None:
    """Refuse a folder that holds anything but the adapter of this run, by whose facts it is recognised.

    StoreError names what is there; with `overwrite` other files stay, and an adapter is replaced.
    """
    if folder.is_file():
        raise StoreError(f"{folder} is a file. Choose another --out, which will become a folder.")
    if overwrite or not folder.exists():
        return
    if (folder / ADAPTER_CARD).exists():
        facts = read_adapter_card(folder).facts
        if any(facts.get(name) != value for name, value in run.items()):
            source = f" of the pool '{facts['pool']}'" if "pool" in facts else ""
            raise StoreError(
                f"{folder} holds another adapter{source}, or one made with other settings. Choose another --out, or "
                "replace it with --overwrite."
            )
        return
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if others:
        raise StoreError(
            f"{folder} is not empty: it contains '{others[0]}'"
            + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            + ". Choose another --out, or write into it with --overwrite."
        )


def open_adapter(folder: Path, backbone: Backbone) -> Adapter:
    """Open and verify an adapter; PoolError if a file is invalid or the backbone differs."""
    card = read_adapter_card(folder)
    if card.backbone_sha256 != backbone.sha256:
        raise PoolError(
            f"The adapter in {folder} was trained on {card.backbone} ({card.backbone_sha256[:8]}…), but the "
            f"backbone here is {backbone.sha256[:8]}…. Choose another --backbone or another adapter."
        )
    tensors = load_tensors(folder / WEIGHTS, card.sha256)
    return adapter_of(from_peft(folder / WEIGHTS, tensors, card.rank, card.rows), card.facts)
