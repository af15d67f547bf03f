"""CSV files of strangers, read as rows of named columns."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST = 128 * 2**20
"""Bytes of a text file that are read."""
MOST = 1_000_000
"""Lines of a table that are read; the longest one here has 112,120."""


def read_text(path: Path, largest: int = LARGEST) -> str:
    """Read a text file in UTF-8; DataError where it is missing, too large or no text."""
    try:
        return read_bounded(path, largest).decode("utf-8-sig")
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"{path} cannot be read ({why}). Check its name and your rights.") from None
    except (UnicodeDecodeError, ValueError):
        raise DataError(f"{path} is not text in UTF-8. Save it as such.") from None


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read these columns of a CSV file whose first line names them; DataError where one of `columns` has a gap."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[dict[str, str]] = []
    try:
        present = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = present
        wanted = [name for name in (*columns, *optional) if name in present]
        missing = [name for name in columns if name not in present]
        if missing:
            raise DataError(
                f"{path} has no column '{missing[0]}'. Its first line must name {', '.join(columns)}, "
                f"and names {', '.join(present)[:200] or 'nothing'}."
            )
        for row in reader:
            plain = {key: row[key].strip() for key in wanted if row[key] is not None}
            empty = [name for name in columns if not plain.get(name)]
            if empty:
                raise DataError(f"Line {reader.line_num} of {path} has no {empty[0]}. Fill it in or remove the line.")
            if len(rows) == MOST:
                raise DataError(f"{path} has more than {MOST:,} lines, more than are read. Divide it.")
            rows.append(plain)
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of {path} is no line of a CSV file ({error}). Mend it.") from None
    if not rows:
        raise DataError(f"{path} has no line below its head. Write one line for each entry.")
    return rows
