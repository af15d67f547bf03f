"""Leaderboards as a single self-contained HTML page: no network, no library, light and dark, usable by keyboard.

All data are in one JSON block, and the page's script inserts them as text, so that texts in records cannot become
markup. A content security policy allows only this script and this style sheet, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from freeshot.leaderboard.board import Board
from freeshot.render.format import one_line
from freeshot.render.html.cards import share_cards
from freeshot.render.html.data import board_data
from freeshot.render.markdown import GENERATED

SCRIPTS = (
    *("dom", "state", "tips", "filters", "table", "records", "cell", "cards"),
    *("plots", "cost", "pair", "scatter", "ranks", "difficulty", "more", "downloads", "start"),
)
"""Parts of the page's script, in the order in which they are concatenated."""


def html(boards: Iterable[Board], sheets: Sequence[Path] = (), folder: str = "results", episodes: str = "") -> str:
    """Render boards as a page.

    `sheets` are pictures of surrogates, shown with the first board; `folder` has the records that commands name;
    `episodes` is the address of their episodes, if they are served.
    """
    every = [board_data(board, folder) for board in boards]
    share_cards([data["cards"] for data in every])
    if every:
        every[0]["sheets"] = [_picture(path) for path in sheets]
    style, script = asset("style.css"), '"use strict";\n' + "\n".join(asset(f"{name}.js") for name in SCRIPTS)
    page = asset("page.html").replace("@STYLE-HASH@", csp_hash(style)).replace("@SCRIPT-HASH@", csp_hash(script))
    link = f'\n  <p><a href="{episodes}">Episodes, picture by picture</a></p>' if episodes else ""
    for mark, text in {"@EPISODES@": link, "@STYLE@": style, "@SCRIPT@": script, "@DATA@": _json(every)}.items():
        page = page.replace(mark, text, 1)
    return f"{GENERATED}\n{page}"


def _json(data: object) -> str:
    """Write JSON that cannot close its script block, with escapes for what no editor shows."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    text = re.sub(r"[^ -~]", lambda char: char[0] if char[0].isprintable() else json.dumps(char[0])[1:-1], text)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def asset(name: str) -> str:
    """Read a file of this package's assets."""
    return files("freeshot.render.html").joinpath("assets", name).read_text(encoding="utf-8")


def csp_hash(text: str) -> str:
    """Return the hash of a script or style sheet in the format of a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _picture(path: Path) -> dict[str, str]:
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return {"name": one_line(path.stem), "data": f"data:image/png;base64,{encoded}"}
