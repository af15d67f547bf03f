"""A pool on disk: one PEFT adapter folder per LoRA, each with its head, and `pool.json`.

    pool.json                          name, backbone and its hash, LoRAs with classes, hashes and facts
    lora-000/adapter_config.json       read by `PeftModel.from_pretrained`
    lora-000/adapter_model.safetensors
    lora-000/head.safetensors          weight [c, d] and bias [c]

The layout of the factors in the adapter file is documented in `freeshot.pool.peft_format`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from freeshot.basics.access_guard import require_access
from freeshot.basics.errors import PoolError
from freeshot.basics.files import file_sha256, read_bounded
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.pool import POOL_CARD
from freeshot.pool.cards import LoraCard, PoolCard, read_pool_card
from freeshot.pool.peft_format import WEIGHTS, from_peft, rows_of, save_tensors, write_adapter

HEAD: Final = "head.safetensors"
LARGEST = 2**28
"""Maximal size of a LoRA file in bytes; rank 64 on all layers of ViT-L takes 101 million in single precision."""


def write_entry(
    folder: Path, entry: LoraEntry, backbone: str, widths: Mapping[str, int], *, half: bool = True
) -> LoraCard:
    """Write one LoRA; `widths` are the output widths of its layers.

    In half precision, unless third-party factors must be stored exactly.
    """
    precision = torch.float16 if half else torch.float32
    write_adapter(folder, entry.factors, entry.rank, backbone, widths, precision)
    save_tensors(folder / HEAD, {"weight": entry.head_weight, "bias": entry.head_bias}, precision)
    return LoraCard(
        name=entry.name,
        rank=entry.rank,
        rows=rows_of(entry.factors),
        classes=list(entry.classes),
        class_ids=list(entry.class_ids),
        sha256={WEIGHTS: file_sha256(folder / WEIGHTS), HEAD: file_sha256(folder / HEAD)},
        facts=dict(entry.facts),
    )


def write_card(
    path: Path, name: str, backbone: str, backbone_hash: str, loras: Sequence[LoraCard], license: str
) -> None:
    """Write `pool.json`, last: a folder without it is an unfinished pool."""
    card = PoolCard(
        format=2, name=name, backbone=backbone, backbone_sha256=backbone_hash, license=license, loras=list(loras)
    )
    card.write(path / POOL_CARD)


def open_pool(path: Path, backbone_hash: str | None = None) -> LoraPool:
    """Open and verify a pool; PoolError names the file and the problem.

    Checks the card, each file's hash, shapes, finite values, B ≠ 0, head with bias, and, if `backbone_hash` is given,
    that the LoRAs were tuned on that backbone.
    """
    require_access(f"The pool in {path}")
    card = read_pool_card(path)
    if backbone_hash is not None and card.backbone_sha256 != backbone_hash:
        raise PoolError(
            f"The pool '{card.name}' was tuned on {card.backbone} ({card.backbone_sha256[:8]}…), but the "
            f"backbone here is {backbone_hash[:8]}…. Choose another --backbone or another pool."
        )
    entries = tuple(_read_entry(path / lora.name, lora) for lora in card.loras)
    return LoraPool(card.name, path, card.backbone, card.backbone_sha256, entries, card.identity, card.license)


def delete_pool(folder: Path) -> None:
    """Delete a pool's folder, its card first, so that an interrupted deletion leaves nothing that opens as a pool."""
    try:
        (folder / POOL_CARD).unlink()
        shutil.rmtree(folder)
    except OSError as error:
        raise PoolError(f"{folder} cannot be deleted ({error.strerror}). Check its permissions.") from None


def _read_entry(folder: Path, card: LoraCard) -> LoraEntry:
    adapter = load_tensors(folder / WEIGHTS, card.sha256[WEIGHTS])
    head = load_tensors(folder / HEAD, card.sha256[HEAD])
    count = len(card.classes)
    shapes = {name: (tensor.ndim, tensor.shape[:1]) for name, tensor in head.items()}
    if shapes != {"weight": (2, (count,)), "bias": (1, (count,))} or len(card.class_ids) != count:
        raise PoolError(f"{folder / HEAD} must hold weight and bias of {count} classes. Export it again.")
    factors = from_peft(folder / WEIGHTS, adapter, card.rank, card.rows)
    classes, ids = tuple(card.classes), tuple(card.class_ids)
    return LoraEntry(card.name, card.rank, factors, head["weight"], head["bias"], classes, ids, card.facts)


def numbers_sha256(pool: LoraPool) -> str:
    """Hash the tensors of an opened pool in memory, to detect later changes."""
    digest = hashlib.sha256()
    for entry in pool.entries:
        for tensor in (*chain.from_iterable(entry.factors.values()), entry.head_weight, entry.head_bias):
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_tensors(file: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file in float32; PoolError if it has infinite or NaN values, or another hash."""
    try:
        content = read_bounded(file, LARGEST)
        tensors = {name: tensor.float() for name, tensor in load(content).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise PoolError(f"{file} cannot be read ({error}). Export or build this LoRA again.") from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise PoolError(f"{file} does not match the hash in its card. Restore it, or build the pool again.")
    if not all(torch.isfinite(t).all() for t in tensors.values()):
        raise PoolError(f"{file} contains values that are not finite. Tune this LoRA again with a lower learning rate.")
    return tensors
