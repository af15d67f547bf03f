"""The data of a page as JSON of limited size; the least important data are left out first."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

Plain = dict[str, Any]


def fitting(found: Sequence[Plain], over_seeds: Sequence[Callable[[], Plain]], limit: int) -> str:
    """Write boards as JSON of at most `limit` bytes; remove pictures one by one, then accuracies per episode.

    Both are removed from the last board first. The intervals of pairs over seeds are removed with the accuracies; they
    are computed, by one call per board, only for boards that keep their accuracies.
    """
    texts = [*map(_json, found)]
    places = [*reversed(range(len(found)))]
    spare = [(place, "sheets") for place in places for _ in found[place]["sheets"]]
    spare += [(place, "scores") for place in places]

    def lighten() -> None:
        while sum(len(text.encode()) + 1 for text in texts) + 1 > limit and spare:
            place, what = spare.pop(0)
            if _leave_out(found[place], what):
                texts[place] = _json(found[place])

    lighten()
    for place in [place for place, what in spare if what == "scores"]:
        if told := over_seeds[place]():
            found[place]["over_seeds"] = told
            texts[place] = _json(found[place])
    lighten()
    return f"[{','.join(texts)}]"


def _leave_out(board: Plain, what: str) -> bool:
    """Remove a picture or all accuracies from a board; return whether it had any."""
    if what == "sheets":
        board["sheets"] = board["sheets"][:-1]
        return True
    board["over_seeds"] = {}
    cells = [cell for row in board["rows"] for cell in row["cells"].values()]
    told = [cell.pop("scores", None) for cell in cells]
    return any(scores is not None for scores in told)


def _once(cell: Plain) -> Plain:
    """Omit a cell's histogram if the page can compute it from the scores."""
    return {key: value for key, value in cell.items() if key != "histogram" or "scores" not in cell}


def _json(board: Plain) -> str:
    """Write JSON that cannot close its script block; histograms are omitted where accuracies are included."""
    rows = [row | {"cells": {track: _once(cell) for track, cell in row["cells"].items()}} for row in board["rows"]]
    data = json.dumps(board | {"rows": rows}, ensure_ascii=False, separators=(",", ":"))
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
