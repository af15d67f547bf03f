"""Base, validation and novel classes: read from a file or drawn by shares, always disjoint.

A split file is JSON, `{"base": ["cat", …], "validation": […], "novel": […]}`, or CSV with the columns `label` and
`split`. Other JSON keys, such as the origin of the split, are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from freeshot.basics.errors import DataError
from freeshot.basics.seeds import derive
from freeshot.basics.text import first_problem
from freeshot.data.csv_file import read_table, read_text

NAMES = ("base", "validation", "novel")
LARGEST = 16 * 2**20
"""Maximal size of a split file in bytes."""
ClassName = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Split:
    """Class names of each split."""

    base: tuple[ClassName, ...] = ()
    validation: tuple[ClassName, ...] = ()
    novel: tuple[ClassName, ...] = ()

    def of(self, name: str) -> tuple[str, ...]:
        """Return one split's classes; DataError for an unknown split."""
        if name not in NAMES:
            raise DataError(f"Unknown split '{name}'. Expected {', '.join(NAMES)}.")
        classes: tuple[str, ...] = getattr(self, name)
        return classes

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes, base first."""
        return (*self.base, *self.validation, *self.novel)


def checked(split: Split, where: object) -> Split:
    """Return a split; DataError if a class is listed twice or none is novel."""
    twice = [name for name, count in Counter(split.classes).items() if count > 1]
    if twice:
        raise DataError(f"{where} names the class '{twice[0]}' twice. Each class belongs to one split.")
    if not split.novel:
        raise DataError(f"{where} names no novel class. Give at least two classes to 'novel', which are tested.")
    return split


def read_split(path: Path) -> Split:
    """Read a split file, JSON or CSV."""
    if path.suffix.lower() == ".csv":
        return split_of_rows(((row["label"], row["split"]) for row in read_table(path, ("label", "split"))), path)
    try:
        split = TypeAdapter(Split).validate_json(read_text(path, LARGEST))
    except ValidationError as error:
        raise DataError(
            f"{path} is not a valid split file ({first_problem(error)}). It looks like "
            '{"base": ["cat"], "validation": ["dog"], "novel": ["fox"]}.'
        ) from None
    return checked(split, path)


def split_of_rows(rows: Iterable[tuple[str, str]], where: object) -> Split:
    """Collect (class, split) pairs, duplicates allowed; DataError if a class is in two splits."""
    parts: dict[str, str] = {}
    for label, part in rows:
        if part not in NAMES:
            raise DataError(f"{where} puts '{label}' into the split '{part}'. Expected {', '.join(NAMES)}.")
        if parts.setdefault(label, part) != part:
            raise DataError(f"{where} puts '{label}' into {parts[label]} and {part}. A class belongs to one split.")
    named = {name: tuple(sorted(label for label, part in parts.items() if part == name)) for name in NAMES}
    return checked(Split(**named), where)


def drawn_split(classes: Sequence[str], shares: Sequence[float], seed: int, way: int = 1) -> Split:
    """Shuffle classes by a seed and split them by shares of base, validation and novel, at least `way` novel ones."""
    if len(shares) != 3 or any(not 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise DataError(
            f"The shares {', '.join(map(str, shares))} are not a valid split. Give three numbers with sum 1 for base, "
            "validation and novel, such as 0.6,0.2,0.2."
        )
    ordered = sorted(classes)
    keys = np.random.Philox(key=derive(seed, "split")).random_raw(len(ordered))
    mixed = [ordered[index] for index in np.argsort(keys, kind="stable")]
    first = round(shares[0] * len(mixed))
    second = round((shares[0] + shares[1]) * len(mixed))
    if len(mixed) < way:
        raise DataError(
            f"A task draws {way} classes, but there are pictures of only {len(mixed)}. Add classes, or choose a "
            "smaller way."
        )
    if len(mixed) - second < way:
        given = ",".join(f"{share:g}" for share in shares)
        raise DataError(
            f"A task draws {way} classes, but the shares {given} make only {len(mixed) - second} of {len(mixed)} "
            "novel. Give novel a larger share, such as --shares 0,0,1, or choose a smaller way."
        )
    parts = (mixed[:first], mixed[first:second], mixed[second:])
    return checked(Split(*(tuple(sorted(part)) for part in parts)), "The split by shares")


def require_known(split: Split, classes: Iterable[str], where: object, source: object) -> None:
    """Require images for all classes of a split."""
    missing = sorted(set(split.classes) - set(classes))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{where} names the class '{missing[0]}'{more}, but {source} has no image of it. Fix either.")
