"""A pool on disk: one PEFT adapter folder per LoRA, each with its head, and `pool.json`.

    pool.json                          name, backbone and its hash, LoRAs with classes, hashes and facts
    lora-000/adapter_config.json       read by `PeftModel.from_pretrained`
    lora-000/adapter_model.safetensors
    lora-000/head.safetensors          weight [c, d] and bias [c]

The layout of the factors in the adapter file is documented in `freeshot.pool.peft_format`.
"""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.access_guard import require_access
from freeshot.basics.errors import PoolError
from freeshot.basics.files import file_sha256, read_bounded, write_text
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.pool.cards import FORMAT, is_piece, read_pool_card
from freeshot.pool.locate import card_sha256
from freeshot.pool.peft_format import from_peft, peft_config, rows_of, save_tensors, to_peft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

LARGEST = 2**28
"""Maximal size of a LoRA file in bytes; rank 64 on all layers of ViT-L takes 101 million in single precision."""


def write_entry(
    folder: Path, entry: LoraEntry, backbone: str, widths: Mapping[str, int], *, half: bool = True
) -> dict[str, Any]:
    """Write one LoRA; `widths` are the output widths of its layers. Return its line of the card.

    In half precision, unless third-party factors must be stored exactly.
    """
    precision = torch.float16 if half else torch.float32
    head = {"weight": entry.head_weight, "bias": entry.head_bias}
    adapter = to_peft(entry.factors, entry.rank, widths)
    for file, tensors in {"adapter_model": adapter, "head": head}.items():
        save_tensors(folder / f"{file}.safetensors", {name: t.to(precision) for name, t in tensors.items()})
    config = peft_config(entry.factors, entry.rank, backbone)
    write_text(folder / "adapter_config.json", json.dumps(config, indent=1) + "\n")
    return {
        "name": entry.name,
        "rank": entry.rank,
        "rows": rows_of(entry.factors),
        "classes": list(entry.classes),
        "class_ids": list(entry.class_ids),
        "sha256": {f: file_sha256(folder / f) for f in ("adapter_model.safetensors", "head.safetensors")},
        "facts": dict(entry.facts),
    }


def is_as_noted(pool: Path, line: Mapping[str, Any]) -> bool:
    """Return whether the files of a LoRA have the hashes of its card line."""
    return all(file_sha256(pool / line["name"] / file) == expected for file, expected in line["sha256"].items())


def write_card(path: Path, name: str, backbone: str, backbone_hash: str, lines: Sequence[Any], license: str) -> None:
    """Write `pool.json`, last: a folder without it is an unfinished pool."""
    card = {"format": FORMAT, "name": name, "backbone": backbone, "backbone_sha256": backbone_hash, "license": license}
    write_text(path / "pool.json", json.dumps(card | {"loras": list(lines)}, indent=1, ensure_ascii=False) + "\n")


def open_pool(path: Path, backbone_hash: str | None = None) -> LoraPool:
    """Open and verify a pool; PoolError names the file and the problem.

    Checks the card, each file's hash, shapes, finite values, B ≠ 0, head with bias, and, if `backbone_hash` is given,
    that the LoRAs were tuned on that backbone.
    """
    require_access(f"The pool in {path}")
    card = read_pool_card(path)
    if backbone_hash is not None and card["backbone_sha256"] != backbone_hash:
        raise PoolError(
            f"The pool '{card['name']}' was tuned on {card['backbone']} ({card['backbone_sha256'][:8]}…), but the "
            f"backbone here is {backbone_hash[:8]}…. Choose another --backbone or another pool."
        )
    try:
        entries = tuple(_read_entry(path, line) for line in card["loras"])
        identity = card_sha256(card)
        return LoraPool(
            card["name"], path, card["backbone"], card["backbone_sha256"], entries, identity, card.get("license", "")
        )
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise PoolError(
            f"{path / 'pool.json'} lacks or has an invalid {error}. Build or import the pool again."
        ) from None


def _read_entry(pool: Path, line: Mapping[str, Any]) -> LoraEntry:
    _require_sound(line)
    folder = pool / line["name"]
    adapter = load_tensors(folder / "adapter_model.safetensors", line["sha256"]["adapter_model.safetensors"])
    head = load_tensors(folder / "head.safetensors", line["sha256"]["head.safetensors"])
    ways = {len(part) for part in head.values()} | {len(line["class_ids"])}
    axes = {name: part.ndim for name, part in head.items()}
    if axes != {"weight": 2, "bias": 1} or ways != {len(line["classes"])}:
        raise PoolError(
            f"{folder / 'head.safetensors'} must hold weight and bias of {len(line['classes'])} classes. "
            "Export it again."
        )
    rank = int(line["rank"])
    factors = from_peft(folder / "adapter_model.safetensors", adapter, rank, line["rows"])
    return LoraEntry(
        line["name"],
        rank,
        factors,
        head["weight"],
        head["bias"],
        tuple(line["classes"]),
        tuple(line["class_ids"]),
        line["facts"],
    )


def numbers_sha256(pool: LoraPool) -> str:
    """Hash the tensors of an opened pool in memory, to detect later changes."""
    digest = hashlib.sha256()
    for entry in pool.entries:
        for tensor in (*chain.from_iterable(entry.factors.values()), entry.head_weight, entry.head_bias):
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _require_sound(line: Mapping[str, Any]) -> None:
    """Check the types of a card line's classes, ids, rows and facts."""
    if not isinstance(line["name"], str) or not is_piece(line["name"]):
        raise PoolError(f"The LoRA {line['name']!r} of a pool does not have a valid folder name. Build the pool again.")
    classes, ids = line["classes"], line["class_ids"]
    lists = isinstance(classes, list) and isinstance(ids, list) and isinstance(line["facts"], dict)
    lists = lists and isinstance(line["rows"], dict)
    if not lists or not all(isinstance(c, str) for c in classes) or not all(type(i) is int for i in ids):
        raise TypeError(f"the classes, rows or facts of '{line['name']}'")


def load_tensors(file: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file in float32; PoolError if it has infinite or NaN values, or another hash."""
    from safetensors import SafetensorError
    from safetensors.torch import load

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
