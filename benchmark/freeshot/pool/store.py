"""A pool on disk: one PEFT adapter folder per LoRA, its head beside it, and `pool.json`.

    pool.json                          name, backbone and its hash, LoRAs with classes, hashes and facts
    lora-000/adapter_config.json       what `PeftModel.from_pretrained` reads
    lora-000/adapter_model.safetensors
    lora-000/head.safetensors          weight [c, d] and bias [c]

timm fuses q, k and v, so a rank-r LoRA on q and v is a rank-2r LoRA on `qkv` whose B is zero outside of
two blocks: exact, and loadable by PEFT as it is. The card says which rows those are, layer by layer
(`rows`, by the layer's name inside its block); a layer that it does not name is one block.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.errors import PoolError
from freeshot.basics.files import atomic_path, canonical_json, file_sha256, write_text
from freeshot.contracts.pool import LoraEntry, LoraPool, Slot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

PREFIX = "base_model.model."
FORMAT = 2


def write_entry(folder: Path, entry: LoraEntry, backbone: str, widths: Mapping[str, int]) -> dict[str, Any]:
    """Write one LoRA; `widths` are the outputs of the layers it acts on. Return its line of the card."""
    tensors: dict[str, Tensor] = {}
    for module in sorted({slot.module for slot in entry.factors}):
        a, b = _fused(entry, module, widths[module])
        tensors[f"{PREFIX}{module}.lora_A.weight"] = a.half()
        tensors[f"{PREFIX}{module}.lora_B.weight"] = b.half()
    rows = _rows_of(entry)
    _save(folder / "adapter_model.safetensors", tensors)
    _save(folder / "head.safetensors", {"weight": entry.head_weight.half(), "bias": entry.head_bias.half()})
    write_text(folder / "adapter_config.json", json.dumps(_peft_config(entry, backbone, rows), indent=1) + "\n")
    return {
        "name": entry.name,
        "rank": entry.rank,
        "rows": rows,
        "classes": list(entry.classes),
        "class_ids": list(entry.class_ids),
        "sha256": {f: file_sha256(folder / f) for f in ("adapter_model.safetensors", "head.safetensors")},
        "facts": dict(entry.facts),
    }


def write_card(path: Path, name: str, backbone: str, backbone_hash: str, lines: Sequence[Any], license: str) -> None:
    """Write `pool.json`, last: a folder without it is an unfinished pool."""
    card = {"format": FORMAT, "name": name, "backbone": backbone, "backbone_sha256": backbone_hash, "license": license}
    write_text(path / "pool.json", json.dumps(card | {"loras": list(lines)}, indent=1, ensure_ascii=False) + "\n")


def open_pool(path: Path, backbone_hash: str | None = None) -> LoraPool:
    """Open and verify a pool; PoolError names the file and what is wrong with it.

    Checked: the card, each file's hash, shapes, finite values, B ≠ 0, head with bias, and, where
    `backbone_hash` is given, that the LoRAs were tuned on that backbone.
    """
    card = _read_card(path)
    if backbone_hash is not None and card["backbone_sha256"] != backbone_hash:
        raise PoolError(
            f"The pool '{card['name']}' was tuned on {card['backbone']} ({card['backbone_sha256'][:8]}…), but the "
            f"backbone here is {backbone_hash[:8]}…. Choose another --backbone or another pool."
        )
    try:
        entries = tuple(_read_entry(path / line["name"], line) for line in card["loras"])
        identity = hashlib.sha256(canonical_json(card).encode()).hexdigest()
        return LoraPool(
            card["name"], path, card["backbone"], card["backbone_sha256"], entries, identity, card.get("license", "")
        )
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise PoolError(f"{path / 'pool.json'} lacks or garbles {error}. Build or import the pool again.") from None


def _read_card(path: Path) -> dict[str, Any]:
    file = path / "pool.json"
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PoolError(f"{path} is no pool: it has no pool.json. Build one with 'freeshot pool build'.") from None
    except (OSError, ValueError) as error:
        raise PoolError(f"{file} cannot be read ({error}). Build or import the pool again.") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT or not card.get("loras"):
        raise PoolError(f"{file} is not a pool card of format {FORMAT} with at least one LoRA. Build the pool again.")
    missing = [key for key in ("backbone", "backbone_sha256", "name") if not isinstance(card.get(key), str)]
    if missing:
        raise PoolError(f"{file} lacks {', '.join(missing)}. Build or import the pool again.")
    return card


def _read_entry(folder: Path, line: Mapping[str, Any]) -> LoraEntry:
    _require_sound(line)
    adapter = _load(folder / "adapter_model.safetensors", line["sha256"]["adapter_model.safetensors"])
    head = _load(folder / "head.safetensors", line["sha256"]["head.safetensors"])
    ways = {len(part) for part in head.values()} | {len(line["class_ids"])}
    axes = {name: part.ndim for name, part in head.items()}
    if axes != {"weight": 2, "bias": 1} or ways != {len(line["classes"])}:
        raise PoolError(
            f"{folder / 'head.safetensors'} must hold weight and bias of {len(line['classes'])} classes. "
            "Export it again."
        )
    rank = int(line["rank"])
    factors: dict[Slot, tuple[Tensor, Tensor]] = {}
    unread = set(adapter)
    for key in sorted(k for k in adapter if k.endswith(".lora_A.weight")):
        module = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
        a, b = adapter[key], adapter.get(f"{PREFIX}{module}.lora_B.weight")
        rows = line["rows"].get(_layer(module)) or [[0, 0 if b is None else len(b)]]
        if b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or a.shape[0] != rank * len(rows):
            raise PoolError(f"{folder}: the factors of {module} do not fit together at rank {rank}. Export it again.")
        if not all(0 <= start < stop <= len(b) for start, stop in rows):
            raise PoolError(f"{folder}: {module} has {len(b)} rows, but the card names {rows}. Export it again.")
        if not b.any():
            raise PoolError(f"{folder}: lora_B of {module} is all zero, so this LoRA does nothing. Tune it again.")
        for place, (start, stop) in enumerate(rows):
            columns = slice(place * rank, (place + 1) * rank)
            factors[Slot(module, start, stop)] = (a[columns], b[start:stop, columns])
        _require_blocks(folder, module, b, rank, rows)
        unread -= {key, f"{PREFIX}{module}.lora_B.weight"}
    if not factors:
        raise PoolError(f"{folder / 'adapter_model.safetensors'} holds no lora_A. Export the adapter again.")
    if unread:
        raise PoolError(
            f"{folder / 'adapter_model.safetensors'} also holds '{min(unread)}', which is no factor of a LoRA and "
            "would be lost. Merge it, or export the adapter without it."
        )
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


def _require_sound(line: Mapping[str, Any]) -> None:
    """Refuse classes, their ids or facts of another type than they are written with."""
    classes, ids = line["classes"], line["class_ids"]
    lists = isinstance(classes, list) and isinstance(ids, list) and isinstance(line["facts"], dict)
    lists = lists and isinstance(line["rows"], dict)
    if not lists or not all(isinstance(c, str) for c in classes) or not all(type(i) is int for i in ids):
        raise TypeError(f"the classes, rows or facts of '{line['name']}'")


def _require_blocks(folder: Path, module: str, b: Tensor, rank: int, rows: Sequence[Sequence[int]]) -> None:
    """Refuse a B that acts outside of the rows the card names: reading it would lose a part."""
    rest = b.clone()
    for place, (start, stop) in enumerate(rows):
        rest[start:stop, place * rank : (place + 1) * rank] = 0
    if rest.any():
        raise PoolError(f"{folder}: lora_B of {module} acts outside of the rows its card names. Import it again.")


def _load(file: Path, sha256: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = file.read_bytes()
        tensors = {name: tensor.float() for name, tensor in load(content).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise PoolError(f"{file} cannot be read ({error}). Export or build this LoRA again.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PoolError(f"{file} is not the file its pool card describes. Restore it, or build the pool again.")
    if not all(torch.isfinite(t).all() for t in tensors.values()):
        raise PoolError(f"{file} holds values that are not finite. Tune this LoRA again with a lower learning rate.")
    return tensors


def _save(file: Path, tensors: dict[str, Tensor]) -> None:
    from safetensors.torch import save

    with atomic_path(file) as temporary:
        temporary.write_bytes(save({k: v.contiguous().cpu() for k, v in tensors.items()}))


def _fused(entry: LoraEntry, module: str, width: int) -> tuple[Tensor, Tensor]:
    """Join the slots of one layer: A [R, i], and B [width, R] with its blocks in place."""
    slots = sorted(slot for slot in entry.factors if slot.module == module)
    a = torch.cat([entry.factors[slot][0] for slot in slots])
    b = a.new_zeros(width, len(a))
    for place, slot in enumerate(slots):
        b[slot.start : slot.stop, place * entry.rank : (place + 1) * entry.rank] = entry.factors[slot][1]
    return a, b


def _layer(module: str) -> str:
    """Name a layer inside its block: 'blocks.3.attn.qkv' → 'attn.qkv'."""
    return ".".join(module.split(".")[-2:])


def _rows_of(entry: LoraEntry) -> dict[str, list[list[int]]]:
    """List the rows of each slot, by the layer's name inside its block."""
    rows: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for slot in entry.factors:
        rows[_layer(slot.module)].add((slot.start, slot.stop))
    return {layer: sorted([start, stop] for start, stop in places) for layer, places in sorted(rows.items())}


def _peft_config(entry: LoraEntry, backbone: str, rows: Mapping[str, Sequence[object]]) -> dict[str, Any]:
    """Describe the adapter to PEFT; alpha equals the rank everywhere, so that B·A is added as it is."""
    joined = {layer: entry.rank * len(places) for layer, places in rows.items() if len(places) > 1}
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": backbone,
        "r": entry.rank,
        "lora_alpha": entry.rank,
        "rank_pattern": joined,
        "alpha_pattern": joined,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted({slot.module for slot in entry.factors}),
    }
