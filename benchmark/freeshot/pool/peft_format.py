"""LoRA factors in PEFT's format, so that `PeftModel.from_pretrained` can load them.

timm fuses q, k and v, so a rank-r LoRA on q and v is a rank-2r LoRA on `qkv` whose B is zero outside two blocks. The
row ranges are stored separately: `rows`, by the layer's name within its block; a layer without entry is a single block.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.basics.files import atomic_path, write_tensors, write_text
from freeshot.contracts.pool import Slot

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
PREFIX = "base_model.model."
Rows = dict[str, list[list[int]]]


def rows_of(factors: Mapping[Slot, tuple[Tensor, Tensor]]) -> Rows:
    """List the rows of each slot, by the layer's name within its block."""
    rows: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for slot in factors:
        rows[_layer(slot.module)].add((slot.start, slot.stop))
    return {layer: sorted([start, stop] for start, stop in ranges) for layer, ranges in sorted(rows.items())}


def to_peft(factors: Mapping[Slot, tuple[Tensor, Tensor]], rank: int, widths: Mapping[str, int]) -> dict[str, Tensor]:
    """Join the slots of each layer, whose output width is `widths[layer]`: PEFT's name → tensor."""
    tensors = {}
    for module in sorted({slot.module for slot in factors}):
        a, b = _fused(factors, module, rank, widths[module])
        tensors[f"{PREFIX}{module}.lora_A.weight"] = a
        tensors[f"{PREFIX}{module}.lora_B.weight"] = b
    return tensors


def from_peft(
    where: object, tensors: Mapping[str, Tensor], rank: int, rows: Mapping[str, Sequence[Sequence[int]]]
) -> dict[Slot, tuple[Tensor, Tensor]]:
    """Split layers into slots; PoolError, naming `where`, if tensors do not match this rank and these rows."""
    factors: dict[Slot, tuple[Tensor, Tensor]] = {}
    unread = dict(tensors)
    for module, a, b in take_factors(where, unread):
        ranges = rows.get(_layer(module)) or [[0, len(b)]]
        if a.shape[0] != rank * len(ranges):
            raise PoolError(f"{where}: the factors of {module} do not match rank {rank}. Export it again.")
        if not all(0 <= start < stop <= len(b) for start, stop in ranges):
            raise PoolError(f"{where}: {module} has {len(b)} rows, but the card names {ranges}. Export it again.")
        if not b.any():
            raise PoolError(f"{where}: lora_B of {module} is all zero, so this LoRA has no effect. Tune it again.")
        rest = b.clone()
        for index, (start, stop) in enumerate(ranges):
            columns = slice(index * rank, (index + 1) * rank)
            factors[Slot(module, start, stop)] = (a[columns], b[start:stop, columns])
            rest[start:stop, columns] = 0
        if rest.any():  # that part would be lost
            raise PoolError(f"{where}: lora_B of {module} is non-zero outside the rows of its card. Import it again.")
    if not factors:
        raise PoolError(f"{where} has no lora_A. Export the adapter again.")
    if unread:
        raise PoolError(
            f"{where} also contains '{min(unread)}', which is not a LoRA factor and would be lost. Merge it, or export "
            "the adapter without it."
        )
    return factors


def take_factors(where: object, tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Take the factors of each layer out of PEFT's tensors: layer, A [r, i], B [o, r]."""
    for key in sorted(key for key in tensors if key.endswith(".lora_A.weight")):
        layer = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
        a, b = tensors.pop(key), tensors.pop(key.replace(".lora_A.", ".lora_B."), None)
        if b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise PoolError(f"{where}: the factors of {layer} do not match. Export the adapter again.")
        yield layer, a, b


def peft_config(factors: Mapping[Slot, tuple[Tensor, Tensor]], rank: int, backbone: str) -> dict[str, Any]:
    """Return PEFT's config of the adapter; alpha equals the rank everywhere, so that B·A is not scaled."""
    joined = {layer: rank * len(ranges) for layer, ranges in rows_of(factors).items() if len(ranges) > 1}
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": backbone,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": joined,
        "alpha_pattern": joined,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted({slot.module for slot in factors}),
    }


def write_adapter(
    folder: Path,
    factors: Mapping[Slot, tuple[Tensor, Tensor]],
    rank: int,
    backbone: str,
    widths: Mapping[str, int],
    precision: torch.dtype = torch.float32,
) -> None:
    """Write PEFT's two files; `widths` are the output widths of the layers."""
    save_tensors(folder / WEIGHTS, to_peft(factors, rank, widths), precision)
    write_text(folder / CONFIG, json.dumps(peft_config(factors, rank, backbone), indent=1) + "\n")


def save_tensors(file: Path, tensors: Mapping[str, Tensor], precision: torch.dtype) -> None:
    """Write a safetensors file atomically."""
    with atomic_path(file) as temporary:
        write_tensors(temporary, {name: tensor.to(precision) for name, tensor in tensors.items()})


def _layer(module: str) -> str:
    """Return a layer's name within its block: 'blocks.3.attn.qkv' → 'attn.qkv'."""
    return ".".join(module.split(".")[-2:])


def _fused(factors: Mapping[Slot, tuple[Tensor, Tensor]], module: str, rank: int, width: int) -> tuple[Tensor, Tensor]:
    """Join the slots of one layer: A [R, i], and B [width, R] with its blocks in place."""
    slots = sorted(slot for slot in factors if slot.module == module)
    a = torch.cat([factors[slot][0] for slot in slots])
    b = a.new_zeros(width, len(a))
    for index, slot in enumerate(slots):
        b[slot.start : slot.stop, index * rank : (index + 1) * rank] = factors[slot][1]
    return a, b
