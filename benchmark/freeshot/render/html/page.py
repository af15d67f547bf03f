"""Leaderboards as one HTML page that needs nothing else: no network, no library, light and dark, usable by keyboard.

All data stand in one JSON block, and the page's script writes them as text: what a record says can never become markup.
The browser runs this script and takes this style sheet, named by their hashes, and no others.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

from freeshot.basics.memory import gc_paused
from freeshot.contracts.columns import Column
from freeshot.leaderboard.board import Board
from freeshot.render.format import one_line
from freeshot.render.html.data import board_data, over_seeds
from freeshot.render.html.size_budget import fitting
from freeshot.render.markdown import GENERATED

SCRIPTS = ("dom", "state", "table", "detail", "cost", "pair", "standings", "hardness", "more", "start")
"""Parts of the page's script, in the order in which they are joined."""
LIMIT = 940_000
"""Bytes that the data may take, so that the page has less than a million."""


@gc_paused()
def html(
    boards: Iterable[Board], sheets: Sequence[Path] = (), columns: Sequence[Column] = (), limit: int = LIMIT
) -> str:
    """Draw boards as a page; `sheets` are pictures of what was recovered, shown with the first board."""
    shown = list(boards)
    found = [board_data(board, columns) for board in shown]
    if found:
        found[0]["sheets"] = [_picture(path) for path in sheets]
    data = fitting(found, [partial(over_seeds, board) for board in shown], limit)
    style, script = _asset("style.css"), '"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    page = _asset("page.html").replace("@STYLE-HASH@", _hash(style)).replace("@SCRIPT-HASH@", _hash(script))
    for mark, text in {"@STYLE@": style, "@SCRIPT@": script, "@DATA@": data}.items():
        page = page.replace(mark, text, 1)
    return f"{GENERATED}\n{page}"


def _asset(name: str) -> str:
    return files("freeshot.render.html").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name a script or style sheet as a content security policy does."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _picture(path: Path) -> dict[str, str]:
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return {"name": one_line(path.stem), "data": f"data:image/png;base64,{encoded}"}
