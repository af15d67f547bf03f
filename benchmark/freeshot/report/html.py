"""Leaderboards as one HTML page that needs nothing else: no network, no library, light and dark, usable by keyboard.

All data stand in one JSON block, and the page's script writes them as text: what a record says can never become markup.
The browser runs this script and takes this style sheet, named by their hashes, and no others.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from freeshot.contracts.columns import Column
from freeshot.report.board import Board
from freeshot.report.markdown import GENERATED
from freeshot.report.page_data import board_data
from freeshot.report.wording import one_line

SCRIPTS = ("dom", "state", "table", "detail", "cost", "pair", "standings", "hardness", "more", "start")
"""Parts of the page's script, in the order in which they are joined."""
LIMIT = 900_000
"""Bytes that the data may take; beyond that pictures and then accuracies per episode are left out, last board first."""


def html(
    boards: Iterable[Board], sheets: Sequence[Path] = (), columns: Sequence[Column] = (), limit: int = LIMIT
) -> str:
    """Draw boards as a page; `sheets` are pictures of what was recovered, shown with the first board."""
    found = [board_data(board, columns) for board in boards]
    if found:
        found[0]["sheets"] = [_picture(path) for path in sheets]
    data = _fitting(found, limit)
    style, script = _asset("style.css"), '"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    page = _asset("page.html").replace("@STYLE-HASH@", _hash(style)).replace("@SCRIPT-HASH@", _hash(script))
    for mark, text in {"@STYLE@": style, "@SCRIPT@": script, "@DATA@": data}.items():
        page = page.replace(mark, text, 1)
    return f"{GENERATED}\n{page}"


def _fitting(found: list[dict[str, Any]], limit: int) -> str:
    """Write boards as JSON, without what would make the page too large to send to a phone."""
    data = _json(found)
    spare = [(board, what) for what in ("sheets", "scores") for board in reversed(found)]
    while len(data.encode()) > limit and spare:
        board, what = spare.pop(0)
        if what == "sheets":
            board["sheets"] = []
        else:
            board["over_seeds"] = {}
            for cell in (cell for row in board["rows"] for cell in row["cells"].values()):
                cell.pop("scores", None)
        data = _json(found)
    return data


def _json(found: list[dict[str, Any]]) -> str:
    """Write JSON that cannot end the script block that it stands in."""
    data = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _asset(name: str) -> str:
    return files("freeshot.report").joinpath("page", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name a script or style sheet as a content security policy does."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _picture(path: Path) -> dict[str, str]:
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return {"name": one_line(path.stem), "data": f"data:image/png;base64,{encoded}"}
