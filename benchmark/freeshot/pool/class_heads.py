"""The classification head of a third-party LoRA, and the names of its classes.

A head is one linear layer, saved by PEFT with the adapter or separately as `head.safetensors`. Classes are named by
id2label of a model's config.json, or by labels.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.pool.cards import read_json
from freeshot.pool.store import HEAD, load_tensors

MODEL_CONFIG, LABELS = "config.json", "labels.json"
HEAD_TENSOR = re.compile(
    r"(?P<stem>(?:^|.*\.)(?:classifier|score|head|fc))(?:\.modules_to_save(?:\.\w+)?)?\.(?P<kind>weight|bias)"
)
LAYER_OF_A_HEAD = re.compile(r"(?:^|\.)(?:classifier|score|head)\.")
GENERIC = re.compile(r"LABEL_\d+")
"""Names that `transformers` gives to classes that have none."""
CORRECTION = "Correct it: a JSON list of class names, one for each output of the head."
MULTIPLE = "A head must be one linear layer. Train with such a head, or save it as head.safetensors"


def take_head(file: Path, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Take weight [c, d] and bias [c] of the head out of an adapter's tensors, or read them from head.safetensors.

    PoolError names the file that holds no head, several, or one of several layers. The bias is None if not saved.
    """
    inner = {stem: _take(tensors, stem) for stem in _stems(tensors)}
    head = file.with_name(HEAD)
    if head.exists():
        outer = load_tensors(head)
        if "weight" not in outer:
            raise PoolError(
                f"{head} holds {', '.join(sorted(outer)) or 'no tensor'}; expected weight [classes, features] and bias "
                "[classes]. Rename its tensors."
            )
        if any(not _equal(weight, outer["weight"]) for weight, _ in inner.values()):
            raise PoolError(f"{file} holds a head, and {head} another. Remove the one that was not tuned.")
        return outer["weight"], outer.get("bias")
    if len(inner) > 1:
        raise PoolError(f"{file} holds {len(inner)} heads: {', '.join(sorted(inner))}. Save the tuned one as {HEAD}.")
    if not inner:
        raise without_head(file, [name for name in sorted(tensors) if LAYER_OF_A_HEAD.search(name)])
    return next(iter(inner.values()))


def drop_heads(tensors: dict[str, Tensor]) -> None:
    """Take all heads out of an adapter's tensors; features do not depend on them."""
    for stem in _stems(tensors):
        _take(tensors, stem)


def without_head(file: Path, layers: list[str] | None = None) -> PoolError:
    """Return the error of a LoRA without head, or whose head has several layers."""
    if layers:
        return PoolError(f"{file} has a head of several tensors ({', '.join(layers)}). {MULTIPLE}.")
    return PoolError(
        f"{file} has no head. Save its weight [classes, features] and bias as head.safetensors. Or train with "
        "modules_to_save=['classifier'], named as in your model."
    )


def class_names(folder: Path, count: int) -> tuple[str, ...]:
    """Return the names of a head's `count` classes; empty if there are none. PoolError names the file to correct."""
    config = folder / MODEL_CONFIG
    if config.exists() and (names := _id2label(config, count)):
        return names
    return read_labels(folder / LABELS)


def read_labels(file: Path) -> tuple[str, ...]:
    """Read a JSON list of class names; empty if the file does not exist."""
    if not file.exists():
        return ()
    content = read_json(file, CORRECTION)
    try:
        labels = tuple(map(str, TypeAdapter(list[str | int]).validate_python(content, strict=True)))
        "".join(labels).encode()
    except ValueError:  # of pydantic, or because a label is not valid Unicode
        raise PoolError(
            f"{file} must be a JSON list of class names, one for each output of the head. Correct it."
        ) from None
    return labels


def _id2label(file: Path, count: int) -> tuple[str, ...]:
    """Read the class names in a model's config; empty if it has none of its own."""
    content = read_json(file, "Correct or remove it.")
    by_id: Any = content.get("id2label") if isinstance(content, dict) else None
    if by_id is None:
        return ()
    try:
        names = TypeAdapter(dict[str, str]).validate_python(by_id, strict=True)
        "".join(names.values()).encode()
    except ValueError:
        raise PoolError(f"{file} has an invalid id2label: expected {{'0': 'cat', '1': 'dog'}}. Correct it.") from None
    if all(GENERIC.fullmatch(name) for name in names.values()):
        return ()
    ordered = tuple(names.get(str(index), "") for index in range(count))
    if len(names) != count or "" in ordered:
        raise PoolError(
            f"{file} names {len(names)} classes (id2label), but the head has {count} outputs, numbered from "
            "0. Correct id2label."
        )
    return ordered


def _stems(tensors: Mapping[str, Tensor]) -> list[str]:
    matches = [HEAD_TENSOR.fullmatch(name) for name in tensors]
    return sorted({match["stem"] for match in matches if match is not None and match["kind"] == "weight"})


def _take(tensors: dict[str, Tensor], stem: str) -> tuple[Tensor, Tensor | None]:
    parts: dict[str, Tensor] = {}
    for name in list(tensors):
        match = HEAD_TENSOR.fullmatch(name)
        if match is not None and match["stem"] == stem:
            parts[match["kind"]] = tensors.pop(name)
    return parts["weight"], parts.get("bias")


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool((first == second).all())
