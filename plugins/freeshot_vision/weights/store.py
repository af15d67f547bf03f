"""The folder of weights: converted files, each with a card that states where it is from and what it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from freeshot.basics.errors import DataError
from freeshot.basics.files import atomic_path, tensors_sha256, write_tensors, write_text
from freeshot_vision.weights.fetch import fetched
from freeshot_vision.weights.sources import WeightSource

NETWORK = "network"
"""Key of a safetensors file's metadata: how timm builds the network, as JSON."""


@dataclass(frozen=True)
class WeightCard:
    """Source, licence and hashes of a converted file; stored next to it as NAME.json."""

    name: str
    title: str
    address: str
    licence: str
    remark: str
    source_sha256: str
    """Of what was downloaded."""
    tensors_sha256: str
    """Of the converted tensors: names, shapes, types and values."""
    tensors: int
    parameters: int


def weights_path(folder: Path, source: WeightSource) -> Path:
    """Return the path of a source's converted file."""
    return folder / f"{source.name}.safetensors"


def get_weights(source: WeightSource, folder: Path, report: Callable[[int, int], None]) -> WeightCard:
    """Fetch, verify and convert a source unless that is done; return its card."""
    path = weights_path(folder, source)
    if path.is_file():
        return verified_card(source, folder)
    with fetched(source.origin, folder / "downloads", report) as (file, sha256):
        tensors = source.read(file)
        card = WeightCard(
            name=source.name,
            title=source.title,
            address=source.origin.address,
            licence=source.licence,
            remark=source.remark,
            source_sha256=sha256,
            tensors_sha256=tensors_sha256(tensors),
            tensors=len(tensors),
            parameters=sum(tensor.numel() for tensor in tensors.values()),
        )
        write_text(path.with_suffix(".json"), json.dumps(asdict(card), indent=1) + "\n")
        with atomic_path(path) as temporary:  # last: a file without its card is never left
            write_tensors(temporary, tensors, {NETWORK: json.dumps(dict(source.network))} if source.network else None)
    return card


def verified_card(source: WeightSource, folder: Path) -> WeightCard:
    """Return the card of a converted file whose tensors are the ones it states; DataError otherwise."""
    from freeshot_vision.backbones.weight_files import read_weights

    path = weights_path(folder, source)
    if not path.is_file():
        raise DataError(f"{path} does not exist. Get it with: freeshot weights get {source.name}")
    card = _read_card(path.with_suffix(".json"))
    if tensors_sha256(read_weights(path)) != card.tensors_sha256:
        raise DataError(
            f"{path} was changed after its conversion. Delete it and run: freeshot weights get {source.name}"
        )
    return card


def _read_card(path: Path) -> WeightCard:
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return WeightCard(**plain)
    except (OSError, ValueError, TypeError):
        raise DataError(
            f"{path} is not a readable card of weights. Delete the weights next to it and get them again."
        ) from None
