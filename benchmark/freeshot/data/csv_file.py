"""Third-party CSV files, read as rows of named columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from freeshot.basics.errors import DataError
from freeshot.basics.files import read_bounded

LARGEST = 128 * 2**20
"""Maximal size of a text file in bytes."""
MOST = 1_000_000
"""Maximal number of lines of a table; the longest one here has 112,120."""


def read_text(path: Path, largest: int = LARGEST) -> str:
    """Read a UTF-8 text file; DataError if it is missing, too large or not text."""
    try:
        return read_bounded(path, largest).decode("utf-8-sig")
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"{path} cannot be read ({why}). Check its name and permissions.") from None
    except (UnicodeDecodeError, ValueError):
        raise DataError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read columns of a CSV file with a header line; DataError if one of `columns` is empty in any row."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[dict[str, str]] = []
    try:
        present = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = present
        selected = [name for name in (*columns, *optional) if name in present]
        missing = [name for name in columns if name not in present]
        if missing:
            raise DataError(
                f"{path} has no column '{missing[0]}'. Its first line must name {', '.join(columns)}, "
                f"and names {', '.join(present)[:200] or 'nothing'}."
            )
        for row in reader:
            plain = {key: row[key].strip() for key in selected if row[key] is not None}
            empty = [name for name in columns if not plain.get(name)]
            if empty:
                raise DataError(f"Line {reader.line_num} of {path} has no {empty[0]}. Fill it in or remove the line.")
            if len(rows) == MOST:
                raise DataError(f"{path} has more than {MOST:,} lines, the maximum. Split the file.")
            rows.append(plain)
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of {path} is not valid CSV ({error}). Fix it.") from None
    if not rows:
        raise DataError(f"{path} has no line below its header. Add one line for each entry.")
    return rows
