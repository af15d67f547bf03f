"""Tables for notebooks: pandas frames on request, and HTML with all text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.basics.text import one_line

if TYPE_CHECKING:
    import pandas as pd


def pandas_frame(columns: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a DataFrame of columns or of rows; OptionError if pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        raise OptionError("A frame needs pandas, which is not installed. Install it: pip install pandas") from None
    return pd.DataFrame(columns)


def html_table(
    rows: Iterable[Sequence[object]], heads: Sequence[str] = (), title: str = "", notes: Iterable[str] = ()
) -> str:
    """Return an HTML table with a caption above and notes below; numbers are formatted by the caller."""
    head = f"<thead><tr>{''.join(f'<th>{_text(cell)}</th>' for cell in heads)}</tr></thead>" if heads else ""
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    caption = f"<caption>{_text(title)}</caption>" if title else ""
    below = "".join(f"<div>{_text(note)}</div>" for note in notes)
    return f"<table>{caption}{head}<tbody>{body}</tbody></table>{below}"


def _text(value: object) -> str:
    return escape(one_line(str(value)))
