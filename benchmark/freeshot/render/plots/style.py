"""Common style of plots: colours for colour-blind readers, plain text and reproducible bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.render.format import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHOD, OTHER, CONTROL, LINE = "#0072b2", "#d55e00", "#767676", "#d9d9d9"
"""Blue and vermillion of Okabe and Ito (2008), and greys; rows and controls also differ in their markers."""
LONGEST = 48
"""Maximum length of a label in characters."""
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # bundled with matplotlib, so text has the same width on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": CONTROL,
    "svg.fonttype": "none",  # keep text as text, not as paths
    "svg.hashsalt": "freeshot",
    "text.parse_math": False,  # labels of third-party records must not be parsed as formulas
}


def required() -> None:
    """Raise OptionError if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise OptionError("Plots need matplotlib, which is not installed. Run: pip install 'freeshot[plot]'.")


@contextmanager
def drawn() -> Iterator[Callable[[Figure, str], bytes]]:
    """Apply the style of all plots; yield a function that saves a figure to bytes without a date or version."""
    import matplotlib as mpl

    def save(figure: Figure, form: str) -> bytes:
        out = io.BytesIO()
        nothing = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, dpi=200, metadata=nothing)
        return out.getvalue()

    with mpl.rc_context(RC):
        yield save


def top_down(labels: Sequence[str], first: Axes, *others: Axes) -> None:
    """Label the vertical axis of the first panel, the first label on top; draw vertical lines in all panels."""
    first.set_yticks(range(len(labels)), [*map(shortened, labels)])
    first.set_ylim(len(labels) - 0.5, -0.5)
    first.tick_params(axis="y", length=0)
    for axes in (first, *others):
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)


def shortened(label: str) -> str:
    """Put a label on one line and cut it."""
    text = one_line(label)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
