"""The JSON cards of pools and adapters, which users may have edited or damaged; torch is not imported."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from freeshot.basics.errors import PoolError
from freeshot.basics.files import canonical_json, file_sha256, read_bounded, write_text
from freeshot.basics.text import first_problem
from freeshot.pool.locate import ADAPTER_CARD, POOL_CARD, is_folder_name

LARGEST = 64 * 2**20
"""Maximal size of a card in bytes; that of forty LoRAs takes a thousandth."""
AnyCard = TypeVar("AnyCard", bound="Card")


def _folder_name(name: str) -> str:
    if not is_folder_name(name):
        raise ValueError(f"{name!r} is not a valid folder name")
    return name


Rows = dict[str, list[Annotated[list[int], Field(min_length=2, max_length=2)]]]
"""Row ranges [start, stop] of a layer's slots, by the layer's name within its block."""


class Card(BaseModel):
    """A card; other fields than those listed are allowed and kept."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    def write(self, file: Path) -> None:
        """Write the card atomically as readable JSON."""
        write_text(file, json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n")


class LoraCard(Card):
    """One LoRA of a pool, in the folder of its name."""

    name: Annotated[str, AfterValidator(_folder_name)]
    rank: PositiveInt
    rows: Rows
    classes: list[str]
    class_ids: list[int]
    sha256: dict[Literal["adapter_model.safetensors", "head.safetensors"], str] = Field(min_length=2)
    """Hashes of its files."""
    facts: dict[str, Any]

    def matches_files(self, pool: Path) -> bool:
        """Return whether the LoRA's files in a pool's folder have these hashes."""
        return all(file_sha256(pool / self.name / file) == expected for file, expected in self.sha256.items())


class PoolCard(Card):
    """The card of a pool."""

    format: Literal[2]
    name: str
    backbone: str
    backbone_sha256: str
    license: str = ""
    loras: list[LoraCard] = Field(min_length=1)

    @property
    def identity(self) -> str:
        """Hash of the card as it was written, which includes the hashes of all files."""
        return hashlib.sha256(canonical_json(self.model_dump(exclude_unset=True)).encode()).hexdigest()

    @model_validator(mode="after")
    def _require_identity(self) -> Self:
        _ = self.identity  # raises ValueError for NaN
        return self


class AdapterCard(Card):
    """The card of a trained adapter."""

    format: Literal[1]
    backbone: str
    backbone_sha256: str
    rank: PositiveInt
    rows: Rows
    sha256: str
    """Hash of the file of weights."""
    facts: dict[str, Any] = {}


def read_pool_card(folder: Path) -> PoolCard:
    """Read the card of a pool; PoolError if the folder is not a pool, or its card is invalid or of another format."""
    absent = f"{folder} is not a pool: it has no {POOL_CARD}. Build one with 'freeshot pool build'."
    return _read_card(PoolCard, folder / POOL_CARD, absent, "Build or import the pool again.")


def read_adapter_card(folder: Path) -> AdapterCard:
    """Read the card of an adapter, which names its backbone; PoolError if the folder is not an adapter."""
    absent = f"{folder} is not an adapter: it has no {ADAPTER_CARD}. Make one with 'freeshot recycle'."
    return _read_card(AdapterCard, folder / ADAPTER_CARD, absent, "Make the adapter again.")


def _read_card(model: type[AnyCard], file: Path, absent: str, repair: str) -> AnyCard:
    content = read_json(file, repair, absent)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise PoolError(f"{file} is not a valid card ({first_problem(error)}). {repair}") from None


def read_json(file: Path, repair: str, absent: str | None = None) -> Any:
    """Parse a JSON file; PoolError with the message `absent` if it is missing, or with advice `repair` if invalid."""
    try:
        return json.loads(read_bounded(file, LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if absent is not None and isinstance(error, FileNotFoundError):
            raise PoolError(absent) from None
        raise PoolError(f"{file} cannot be read ({error}). {repair}") from None
