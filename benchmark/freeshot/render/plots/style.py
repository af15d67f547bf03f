"""What all plots share: colours that colour-blind readers tell apart, plain text, and the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.short_labels import short_labels
from freeshot.render.format import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHOD, OTHER, CONTROL, LINE = "#0072b2", "#d55e00", "#767676", "#d9d9d9"
"""Blue and vermillion of Okabe and Ito (2008), and greys; shapes tell rows from controls as well."""
LONGEST = 48
"""Letters of a label."""
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along, so texts are as wide on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": CONTROL,
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "freeshot",
    "text.parse_math": False,  # a stranger's label is no formula
}


def required() -> None:
    """Raise OptionError where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise OptionError("Plots are drawn with matplotlib, which is not installed: pip install 'freeshot[plot]'.")


@contextmanager
def drawn() -> Iterator[Callable[[Figure, str], bytes]]:
    """Draw in our style; yields what turns a figure into the bytes of a file, without a date or a version in them."""
    import matplotlib as mpl

    def save(figure: Figure, form: str) -> bytes:
        out = io.BytesIO()
        nothing = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, dpi=200, metadata=nothing)
        return out.getvalue()

    with mpl.rc_context(RC):
        yield save


def names(board: Board) -> dict[str, str]:
    """Map the labels of a board's rows to what stands in a plot."""
    return {label: _shortened(one_line(short)) for label, short in short_labels(board).items()}


def settings(board: Board) -> dict[str, str]:
    """Map labels to what tells rows of one method apart, without the method; for places where labels crowd."""
    methods = {row.label: f"{one_line(row.line.method)} [" for row in (*board.rows, *board.controls)}
    return {label: name.removeprefix(methods[label]).removesuffix("]") for label, name in names(board).items()}


def top_down(rows: tuple[Row, ...], axes: Axes, texts: dict[str, str]) -> None:
    """Put rows on an axis, the first on top."""
    axes.set_yticks(range(len(rows)), [texts[row.label] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
