"""Inversion of one LoRA: from its logits to images, their masks, and a surrogate set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Generator, Tensor

from freeshot.basics.errors import ContractError, DivergedError
from freeshot.basics.seeds import stream
from freeshot.cache.artifacts import Artifact
from freeshot.contracts.inversion import InversionMethod, LearnedInversion
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot.engine.inversion.black_box import QueryTeacher
from freeshot.engine.inversion.teacher import BankTeacher, PoolTeachers
from freeshot.engine.vit.backbone import Backbone


def invert(
    teacher: BankTeacher,
    entry: LoraEntry,
    inversion: InversionMethod,
    per_class: int,
    rng: Generator,
    learned: Mapping[str, Tensor] | None,
) -> Artifact:
    """Synthesise `per_class` images of each class of a LoRA, with their masks and the LoRA's logits."""
    labels = torch.arange(len(entry.classes)).repeat_interleave(per_class)
    shown = labels.to(teacher.device)
    try:
        if isinstance(inversion, LearnedInversion):
            images = inversion.synthesize_with(teacher, shown, rng, learned or {}).detach()
        else:
            images = inversion.synthesize(teacher, shown, rng).detach()  # [n, 3, h, w]
    except DivergedError as error:
        raise DivergedError(f"LoRA '{entry.name}': {error}") from error
    _require_images(images, len(labels), inversion.name, entry.name)
    with torch.no_grad():
        kept = teacher.final_patches(images)
        logits, mirrored = teacher.plain_logits(images), teacher.plain_logits(images.flip(-1))
    right = (logits.argmax(1).cpu() == labels).double().mean()  # scalar
    tensors: dict[str, Tensor] = {"images": images, "labels": labels, "logits": logits, "mirrored": mirrored}
    if kept is not None:
        tensors["kept"] = kept
    facts = {"teacher_accuracy": round(float(right), 4), "images": len(labels)}
    if isinstance(teacher, QueryTeacher):
        facts["queries"] = teacher.queries
    return Artifact({k: v.cpu() for k, v in tensors.items()}, facts)


def batches_of(per_class: int, way: int, batch: int) -> list[int]:
    """Split a LoRA's images into batches of about `batch`, all classes in each.

    Return images per class of each batch.
    """
    each = max(batch // way, 1) if batch else per_class
    whole, rest = divmod(per_class, each)
    return [each] * whole + [rest] * (rest > 0)


def joined(parts: Sequence[Artifact]) -> Artifact:
    """Concatenate the artifacts of a LoRA's batches; costs are charged per batch."""
    if len(parts) == 1:
        return parts[0]
    count = sum(part.facts["images"] for part in parts)
    right = sum(part.facts["teacher_accuracy"] * part.facts["images"] for part in parts)
    return Artifact(
        {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors},
        {
            "teacher_accuracy": round(right / count, 4),
            "images": count,
            **({"queries": sum(p.facts["queries"] for p in parts)} if "queries" in parts[0].facts else {}),
        },
    )


def learn_to_invert(
    backbone: Backbone,
    pool: LoraPool,
    inversion: LearnedInversion,
    per_class: int,
    seed: int,
    on_step: Callable[[int, int], None],
) -> Artifact:
    """Train an inversion method on all LoRAs of a pool."""
    teachers = PoolTeachers(backbone, pool.entries, on_step)
    learned = inversion.learn(teachers, per_class, stream(seed, "learning to invert", pool.sha256))
    if not all(torch.isfinite(tensor).all() for tensor in learned.values()):
        raise DivergedError(f"The weights that '{inversion.name}' learned from the pool are not finite. Lower its lr.")
    return Artifact({name: tensor.detach().cpu() for name, tensor in learned.items()}, {})


def surrogate_set(entry: LoraEntry, artifact: Artifact) -> SurrogateSet:
    """Convert a stored inversion to a surrogate set."""
    t = artifact.tensors
    return SurrogateSet(
        Shots(t["images"], t["labels"], t.get("kept")),
        entry.class_ids,
        t["logits"],
        t["mirrored"],
        entry.name,
        artifact.facts,
    )


def _require_images(images: Tensor, count: int, method: str, lora: str) -> None:
    if images.ndim != 4 or len(images) != count or images.shape[1] != 3:
        raise ContractError(f"Inversion '{method}' must return [{count}, 3, h, w], but gave {list(images.shape)}.")
    if not torch.isfinite(images).all():
        raise DivergedError(f"Inverting '{lora}' with '{method}' gave values that are not finite. Lower its lr.")
    if images.min() < 0 or images.max() > 1:
        raise ContractError(f"Inversion '{method}' must return images in 0…1. Clamp them before returning.")
