"""Import third-party LoRAs: map them to a backbone, check them, store them as a pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraEntry, LoraPool, Slot
from freeshot.engine.lora.bank import WHOLE, slots_of, widths_of
from freeshot.engine.lora.low_rank import padded
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward
from freeshot.pool import POOL_CARD
from freeshot.pool.external_formats import ExternalLora, find_loras, lora_name, read_lora
from freeshot.pool.layer_names import BlockTarget
from freeshot.pool.store import open_pool, write_card, write_entry
from freeshot.pool.verify_loras import FACT, verify_lora

NOT_VERIFIED = "not verified"
CARD_FACT = "backbone_by_card"
"""Where a LoRA's card stores that a FreeShot card named the hash of this backbone."""


@dataclass(frozen=True, eq=False)
class ExaminedLora:
    """One third-party LoRA after all checks."""

    name: str
    folder: Path
    """The folder that holds its files."""
    lora: ExternalLora | None
    """Its files, unless they could not be read."""
    entry: LoraEntry | None
    """The LoRA on the backbone, unless a check failed."""
    problem: str = ""
    """Why it cannot be imported."""
    verification: str = ""
    """Its accuracy on pictures, or why it was not measured."""


@dataclass(frozen=True)
class ImportRules:
    """How strictly LoRAs are checked."""

    missing_bias: Literal["refuse", "zero"] = "refuse"
    at_chance: Literal["refuse", "keep"] = "refuse"
    """Whether a LoRA is imported whose accuracy on the pictures is not above chance."""
    pictures: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    """Files by class name, on which LoRAs are verified."""


def import_pool(
    folder: Path, out: Path, name: str, backbone: Backbone, *, skip_bad: bool = False, license: str = "", **rules: Any
) -> tuple[LoraPool, list[str]]:
    """Read, check and store the LoRAs in `folder` as the pool `out`; return it, and a sentence for each skipped LoRA.

    A LoRA that fails a check raises PoolError, or, with `skip_bad`, is skipped. `rules` are those of `ImportRules`.
    """
    require_no_pool(out)
    examined = list(examine_loras(folder, backbone, ImportRules(**rules)))
    require_importable(examined, skip_bad=skip_bad)
    return store_pool(examined, out, name, backbone, license), [lora.problem for lora in examined if lora.problem]


def require_no_pool(out: Path) -> None:
    """Refuse a folder that holds a pool already."""
    if (out / POOL_CARD).exists():
        raise PoolError(f"{out} already holds a pool. Choose another --out, or delete that folder first.")


def examine_loras(folder: Path, backbone: Backbone, rules: ImportRules) -> Iterator[ExaminedLora]:
    """Read and check the LoRAs in a folder, one by one; nothing is written."""
    features = int(
        forward(backbone, torch.zeros(1, 3, *[backbone.image_size] * 2).to(backbone.device)).features.shape[1]
    )
    ids: dict[str, int] = {}
    with_network: ExternalLora | None = None
    by_name: dict[str, ExternalLora] = {}
    for path in find_loras(folder):
        lora = entry = None
        problem = verification = ""
        try:
            lora = read_lora(path, folder)
            with_network = with_network or (lora if lora.network else None)
            _require_one_network(lora, with_network, backbone)
            _require_unique_name(lora, by_name)
            fitting = _entry(lora, backbone, features, rules.missing_bias, ids)
            entry, verification = _verified(lora, fitting, backbone, rules)
        except PoolError as error:
            problem = str(error)
        home = path if path.is_dir() else path.parent
        yield ExaminedLora(lora_name(path, folder), home, lora, entry, problem, verification)


def require_importable(examined: Sequence[ExaminedLora], *, skip_bad: bool) -> None:
    """Raise the first problem, unless the LoRAs with problems are skipped and others remain."""
    bad = [lora.problem for lora in examined if lora.problem]
    if bad and (not skip_bad or len(bad) == len(examined)):
        more = f" (and {len(bad) - 1} more; --skip-bad skips such LoRAs)" if len(bad) > 1 else ""
        raise PoolError(bad[0] + more)


def store_pool(examined: Sequence[ExaminedLora], out: Path, name: str, backbone: Backbone, license: str) -> LoraPool:
    """Write the LoRAs that passed all checks as a pool, and open it."""
    lines = [
        write_entry(out / entry.name, entry, backbone.name, widths_of(backbone.vit, entry.factors), half=False)
        for entry in (lora.entry for lora in examined)
        if entry is not None
    ]
    write_card(out, name, backbone.name, backbone.sha256, lines, license)
    return open_pool(out, backbone.sha256)


def _verified(lora: ExternalLora, entry: LoraEntry, backbone: Backbone, rules: ImportRules) -> tuple[LoraEntry, str]:
    """Measure a LoRA on the pictures of its classes: the LoRA with its accuracy, and the table's text about it.

    PoolError if it is not better than guessing.
    """
    if not rules.pictures and lora.network_sha256:  # which is that of this backbone
        return replace(entry, facts={**entry.facts, CARD_FACT: True}), "tuned on these weights, by its card"
    if not rules.pictures:
        return entry, NOT_VERIFIED
    measured = verify_lora(entry, backbone, rules.pictures)
    if measured is None or not measured.is_conclusive:
        names = "it has no class names" if not lora.labels else "too few pictures of its classes"
        return entry, f"{NOT_VERIFIED}: {names}"
    result = f"{measured.correct} of {measured.pictures} pictures correct"
    if rules.at_chance == "refuse" and not measured.is_above_chance:
        raise PoolError(
            f"{lora.file}: {result}, which is not above chance ({measured.chance:.0%}). Choose the backbone it was "
            "tuned on, correct the order of its class names, or keep it with --at-chance keep."
        )
    return replace(entry, facts={**entry.facts, FACT: measured.facts}), result


def _require_one_network(lora: ExternalLora, other: ExternalLora | None, backbone: Backbone) -> None:
    """Refuse a LoRA whose files name another network than the other LoRAs or the backbone."""
    if lora.network_sha256 and lora.network_sha256 != backbone.sha256:
        raise PoolError(
            f"{lora.file} was tuned on a network with the hash {lora.network_sha256[:8]}…, but {backbone.name} has "
            f"{backbone.sha256[:8]}…. Choose the backbone it was tuned on."
        )
    if other is not None and lora.network and lora.network != other.network:
        raise PoolError(
            f"{lora.file} was tuned on '{lora.network}', but {other.file} on '{other.network}'. Make separate pools."
        )


def _require_unique_name(lora: ExternalLora, by_name: dict[str, ExternalLora]) -> None:
    """Refuse a LoRA whose folder in the pool would collide with another one's, on any file system."""
    first = by_name.setdefault(lora.name.casefold(), lora)
    if first is not lora:
        raise PoolError(f"{lora.file} and {first.file} would both be '{lora.name}' in the pool. Rename one of them.")


def _entry(lora: ExternalLora, backbone: Backbone, features: int, missing_bias: str, ids: dict[str, int]) -> LoraEntry:
    factors = placed_factors(lora.file, lora.factors, backbone)
    bias = lora.head_bias
    if bias is None:
        if missing_bias == "refuse":
            raise PoolError(
                f"{lora.file}: the head has no bias, but its LoRA was tuned with one. Save it too, or accept a bias of "
                "zero with --missing-bias zero."
            )
        bias = torch.zeros(len(lora.head_weight))
    if lora.head_weight.shape[1] != features:
        raise PoolError(
            f"{lora.file}: the head reads {lora.head_weight.shape[1]} features, but {backbone.name} gives {features}. "
            f"{_head_advice(lora)}"
        )
    classes = lora.labels or tuple(f"{lora.name}/{label}" for label in range(len(lora.head_weight)))
    numbers = tuple(ids.setdefault(label, len(ids)) for label in classes)
    facts = {"dataset": "", "head_bias": "as saved" if lora.head_bias is not None else "missing, taken as zero"}
    rank = max(a.shape[0] for a, _ in factors.values())
    filled = {slot: padded(a, b, rank) for slot, (a, b) in factors.items()}
    return LoraEntry(lora.name, rank, filled, lora.head_weight, bias, classes, numbers, facts)


def _head_advice(lora: ExternalLora) -> str:
    """Return what to do about a head of another width: the classes of `transformers` read different features."""
    if lora.model_class:
        return f"It is the head of a {lora.model_class}; choose that network and the features that its head reads."
    return "Choose the backbone it was tuned on."


def placed_factors(
    file: Path, read: Mapping[BlockTarget, tuple[Tensor, Tensor]], backbone: Backbone
) -> dict[Slot, tuple[Tensor, Tensor]]:
    """Find the slot of each layer on this backbone, and check the shapes of the factors."""
    factors = {}
    for target, (a, b) in read.items():
        slot = _slot(file, target, backbone)
        layer: Any = backbone.vit.get_submodule(slot.module)
        if a.shape[1] != layer.in_features or b.shape[0] != slot.stop - slot.start:
            raise PoolError(
                f"{file}: the LoRA maps {a.shape[1]} to {b.shape[0]} features, but {slot.module} of "
                f"{backbone.name} maps {layer.in_features} to {slot.stop - slot.start}. Choose the backbone it was "
                "tuned on."
            )
        factors[slot] = (a, b)
    if not any(b.any() for _, b in factors.values()):
        raise PoolError(f"{file}: all lora_B are zero, so this LoRA has no effect. Tune it again.")
    return {slot: (a, b) for slot, (a, b) in sorted(factors.items()) if b.any()}


def _slot(file: Path, block_target: BlockTarget, backbone: Backbone) -> Slot:
    block, target = block_target
    end = WHOLE.get(target, "attn.qkv")
    slots = [s for s in slots_of(backbone.vit, ("q", "k", "v", *WHOLE)) if s.module == f"blocks.{block}.{end}"]
    if not slots:
        raise PoolError(
            f"{file} tunes {target} of block {block}, which {backbone.name} does not have. Choose the backbone it "
            "was tuned on."
        )
    if target == "qkv":
        return Slot(slots[0].module, 0, max(slot.stop for slot in slots))
    return slots["qkv".index(target)] if end == "attn.qkv" else slots[0]
