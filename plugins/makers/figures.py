"""Draw the figures of the documentation as SVG: `python -m makers.figures docs/assets`.

The pictures in them are real: doodles and icons of the pocket suite, and images that LoRA Recycle synthesised from a
LoRA of its pool (results/sheets). Colours are CSS variables with a value for light and one for dark, which the site's
own override, so a figure can be read inside of a page, as a file, and in both modes.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from freeshot.basics.files import write_text
from freeshot.evaluation.episodes import track_episodes
from freeshot_vision.pocket import DATA
from freeshot_vision.pocket.tracks import TRACKS
from freeshot_vision.sheets import open_sheet

Pixels = NDArray[np.uint8]

SHEET = Path(__file__).parents[2] / "results" / "sheets" / "lora-000.png"
SHEET_CLASSES = ("cactus", "dog", "saw", "syringe", "toilet")
"""The classes of the LoRA whose surrogates are on the sheet, one row each."""
SIDE = 56
"""Pixels of an image on the sheet."""
LIGHT = {
    "ink": "#17202b", "soft": "#4f5d6e", "paper": "#ffffff", "tint": "#f2f5f9", "line": "#c3ccd8",
    "mark": "#0a62b0", "first": "#e3effb", "warm": "#b45309", "good": "#0b6b4f", "bad": "#ad2318",
}  # fmt: skip
DARK = {
    "ink": "#e6ebf2", "soft": "#a8b4c3", "paper": "#10151c", "tint": "#1a212b", "line": "#465364",
    "mark": "#74b6ff", "first": "#16304d", "warm": "#f5b05a", "good": "#5fd0a6", "bad": "#ff938a",
}  # fmt: skip
STYLE = """\
<style>
:root{{{light}}}
@media (prefers-color-scheme: dark){{:root{{{dark}}}}}
.fs text{{font-family:system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--fs-ink);font-size:14px}}
.fs .head{{font-size:17px;font-weight:600}} .fs .soft{{fill:var(--fs-soft);font-size:13px}}
.fs .mid{{text-anchor:middle}} .fs .end{{text-anchor:end}} .fs .bold{{font-weight:600}}
.fs .box{{fill:var(--fs-tint);stroke:var(--fs-line);stroke-width:1.5}}
.fs .line{{stroke:var(--fs-soft);stroke-width:2;fill:none}}
.fs .thin{{stroke:var(--fs-line);stroke-width:1.5;fill:none}} .fs .tip{{fill:var(--fs-soft)}}
.fs .mark{{fill:var(--fs-mark)}} .fs .warm{{fill:var(--fs-warm)}}
.fs .good{{fill:var(--fs-good)}} .fs .bad{{fill:var(--fs-bad)}}
.fs .grey{{fill:var(--fs-soft)}} .fs .pale{{fill:var(--fs-first)}} .fs .dash{{stroke-dasharray:5 4}}
.fs image{{image-rendering:pixelated}}
</style>"""


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Return a figure of these parts, one line each and none empty, with a title for readers who cannot see it."""
    colours = [";".join(f"--fs-{name}:{value}" for name, value in scheme.items()) for scheme in (LIGHT, DARK)]
    head = f'<svg class="fs" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    style = STYLE.format(light=colours[0], dark=colours[1])
    return "\n".join([head, f"<title>{escape(title)}</title>", style, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Write words at a point."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box", radius: float = 8) -> str:
    """Draw a rectangle."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" class="{kind}"/>'


def arrow(x: float, y: float, to_x: float, to_y: float, kind: str = "line") -> str:
    """Draw a straight arrow, horizontal or vertical."""
    dx, dy = np.sign(to_x - x), np.sign(to_y - y)
    back, side = 9, 5
    left = f"{to_x - back * dx - side * dy:g},{to_y - back * dy - side * dx:g}"
    right = f"{to_x - back * dx + side * dy:g},{to_y - back * dy + side * dx:g}"
    shaft = f'<path d="M{x:g} {y:g}L{to_x - back * dx:g} {to_y - back * dy:g}" class="{kind}"/>'
    return f'{shaft}<polygon points="{to_x:g},{to_y:g} {left} {right}" class="tip"/>'


def picture(x: float, y: float, side: float, pixels: Pixels) -> str:
    """Embed an image [h, w, 3] as PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    data = base64.b64encode(stream.getvalue()).decode()
    frame = f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" class="thin"/>'
    return f'<image x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" href="data:image/png;base64,{data}"/>{frame}'


def pictures(x: float, y: float, side: float, images: Sequence[Pixels], gap: float = 4) -> str:
    """Embed images in a row."""
    return "".join(picture(x + i * (side + gap), y, side, image) for i, image in enumerate(images))


def factors(x: float, y: float, kind: str = "mark", scale: float = 1) -> str:
    """Draw a LoRA: the tall matrix B and the wide matrix A, whose product is a change of a layer's weights."""
    return box(x, y, 10 * scale, 44 * scale, kind, 2) + box(x + 14 * scale, y, 36 * scale, 10 * scale, kind, 2)


def surrogates(row: int) -> list[Pixels]:
    """Cut the synthesised images of a class from the sheet, at the size they were synthesised."""
    sheet = np.asarray(Image.open(SHEET).convert("RGB"))[row * SIDE : (row + 1) * SIDE]
    return [sheet[::2, i * SIDE : (i + 1) * SIDE : 2] for i in range(6)]


def doodles(name: str) -> list[Pixels]:
    """Read the first images of a base class of `sketch`, which the pool's LoRAs were trained on."""
    images = open_sheet(DATA, "sketch", "base")
    chosen = np.flatnonzero(np.asarray(images.labels) == images.classes.index(name))[:6]
    return [*images.read(chosen.tolist()).permute(0, 2, 3, 1).numpy()]


@dataclass(frozen=True)
class Shown:
    """The pictures of an episode: class names, one support picture each, and some queries with their class."""

    classes: tuple[str, ...]
    support: list[Pixels]
    queries: list[tuple[Pixels, str]]


@cache
def episode(name: str = "in-domain/icons/5w1s") -> Shown:
    """Read the first episode of a track."""
    (track,) = (track for track in TRACKS if track.name == name)
    images = open_sheet(DATA, track.dataset, track.split)
    first = track_episodes(track, images)[0]
    read = images.read([*first.support, *first.query[:: track.query]]).permute(0, 2, 3, 1).numpy()
    classes = tuple(images.classes[label] for label in first.classes)
    return Shown(classes, [*read[: track.way]], [*zip(read[track.way :], classes, strict=True)])


STEPS = (
    ("Pool of LoRAs", "small changes of one", "frozen vision model"),
    ("Inversion", "noise becomes what", "a LoRA recognises"),
    ("Surrogate set", "such images of every", "LoRA: no real data"),
    ("Meta-learning", "many small tasks", "made of them"),
    ("Meta-LoRA", "one adapter for", "tasks of new classes"),
    ("Episodes", "real pictures of new", "classes, few labelled"),
    ("Record", "accuracies, costs,", "hashes: one JSON file"),
    ("Leaderboard", "paired differences", "with intervals"),
)
WIDTH, HEIGHT, GAP = 176, 158, 32


def pipeline(columns: int) -> str:
    """Draw the eight steps from a pool of LoRAs to the leaderboard, in rows that change direction."""
    parts = []
    for index, (head, first, second) in enumerate(STEPS):
        x, y = _place(index, columns)
        parts += [box(x, y, WIDTH, HEIGHT), _glyph(index, x, y + 16), text(x + WIDTH / 2, y + 104, head, "head mid")]
        parts += [
            text(x + WIDTH / 2, y + 126 + 17 * line, words, "soft mid") for line, words in enumerate((first, second))
        ]
        if index + 1 < len(STEPS):
            parts.append(_step(index, columns))
    width = columns * (WIDTH + GAP) - GAP + 4
    rows = len(STEPS) // columns
    return svg(width, rows * (HEIGHT + GAP) - GAP + 4, "From a pool of LoRAs to the leaderboard", parts)


def _place(index: int, columns: int) -> tuple[float, float]:
    row, column = divmod(index, columns)
    column = columns - 1 - column if row % 2 else column
    return 2 + column * (WIDTH + GAP), 2 + row * (HEIGHT + GAP)


def _step(index: int, columns: int) -> str:
    (x, y), (to_x, to_y) = _place(index, columns), _place(index + 1, columns)
    if to_y > y:
        return arrow(x + WIDTH / 2, y + HEIGHT + 3, x + WIDTH / 2, to_y - 3)
    return (
        arrow(x + WIDTH + 3, y + 79, to_x - 3, y + 79) if to_x > x else arrow(x - 3, y + 79, to_x + WIDTH + 3, y + 79)
    )


def _glyph(index: int, x: float, y: float) -> str:
    """Draw the sign of a step into the upper part of its box."""
    shown = episode()
    match index:
        case 0:
            return "".join(factors(x + 22 + 48 * i, y + 8, "mark" if i != 1 else "grey", 0.75) for i in range(3))
        case 1:
            noise = np.random.Generator(np.random.Philox(0)).integers(60, 200, (28, 28, 3), dtype=np.uint8)
            return (
                picture(x + 16, y + 4, 56, noise)
                + arrow(x + 78, y + 32, x + 99, y + 32)
                + picture(x + 104, y + 4, 56, surrogates(0)[0])
            )
        case 2:
            images = [surrogates(row)[0] for row in range(5)] + [surrogates(row)[3] for row in range(3)]
            return pictures(x + 20, y, 31, images[:4]) + pictures(x + 20, y + 35, 31, images[4:])
        case 3:
            return _task(x + 20, y)
        case 4:
            return factors(x + 56, y + 4, "warm", 1.25)
        case 5:
            queries = [image for image, _ in shown.queries]
            return pictures(x + 10, y, 28, shown.support) + pictures(x + 10, y + 36, 28, queries)
        case 6:
            lines = "".join(box(x + 68, y + 14 + 11 * i, w, 4, "grey", 2) for i, w in enumerate((40, 28, 36, 20)))
            return box(x + 60, y, 56, 64, "box", 4) + lines
        case _:
            return _whiskers(x + 22, y)


def _task(x: float, y: float) -> str:
    """Draw a small task: support points of two classes, their means, and a query next to one of them."""
    points = ((12, 14), (30, 8), (26, 30), (14, 38)), ((104, 26), (122, 20), (110, 46), (128, 52))
    dots = "".join(
        f'<circle cx="{x + px}" cy="{y + py}" r="5" class="{kind}"/>'
        for group, kind in zip(points, ("mark", "warm"), strict=True)
        for px, py in group
    )
    query = f'<path d="M{x + 64} {y + 18}l7 12h-14z" class="tip"/>'
    lines = f'<path d="M{x + 56} {y + 26}L{x + 27} {y + 24}M{x + 72} {y + 27}L{x + 108} {y + 35}" class="line dash"/>'
    return lines + dots + query


def _whiskers(x: float, y: float) -> str:
    rows = ((96, 14, "warm"), (88, 14, "mark"), (70, 16, "mark"), (52, 14, "grey"))
    return "".join(
        f'<path d="M{x + middle - half} {y + 8 + 16 * i}h{2 * half}" class="line"/>'
        f'<circle cx="{x + middle}" cy="{y + 8 + 16 * i}" r="5" class="{kind}"/>'
        for i, (middle, half, kind) in enumerate(rows)
    )


def lora() -> str:
    """Draw what a LoRA is: frozen weights plus the product of two narrow matrices."""
    parts = [box(4, 24, 120, 120, "box"), text(64, 78, "W", "head mid"), text(64, 100, "frozen", "soft mid")]
    parts += [text(146, 91, "+", "head mid"), box(168, 24, 24, 120, "mark", 4), text(180, 164, "B", "bold mid")]
    parts += [box(204, 24, 120, 24, "mark", 4), text(336, 42, "A", "bold")]
    parts += [
        text(204, 78, "The LoRA: their product B · A", "soft"),
        text(204, 96, "is added to W. At rank 4 it has", "soft"),
    ]
    parts += [text(204, 114, "1,024 numbers, W has 16,384.", "soft")]
    return svg(400, 176, "A LoRA adds the product of two narrow matrices to a frozen weight", parts)


def inversion() -> str:
    """Draw real images of three classes of a LoRA above the images that were synthesised from it."""
    parts = []
    for block, row in enumerate((0, 1, 4)):
        y = 22 + 128 * block
        parts.append(text(2, y - 6, SHEET_CLASSES[row], "bold"))
        parts += [text(2, y + 28, "trained on", "soft"), pictures(94, y, 46, doodles(SHEET_CLASSES[row]), 4)]
        parts += [text(2, y + 78, "synthesised", "soft"), pictures(94, y + 50, 46, surrogates(row), 4)]
    return svg(398, 378, "Doodles that a LoRA was trained on, and images synthesised from it without them", parts)


def few_shot() -> str:
    """Draw an episode: one labelled picture of each of five classes, and pictures to classify."""
    shown = episode()
    parts = [text(2, 16, "Support set: one labelled picture of each class", "bold")]
    for i, (name, image) in enumerate(zip(shown.classes, shown.support, strict=True)):
        parts += [picture(2 + 78 * i, 28, 68, image), text(36 + 78 * i, 114, name, "soft mid")]
    parts.append(text(2, 152, "Queries: which class?", "bold"))
    for i, (image, _) in enumerate(shown.queries):
        parts += [picture(2 + 78 * i, 164, 68, image), text(36 + 78 * i, 252, "?", "head mid")]
    return svg(390, 262, "A 5-way 1-shot episode of the track in-domain/icons/5w1s", parts)


ACCESS = (
    ("the pool's LoRAs", "strict", "good"),
    ("statistics of a public network", "public prior", "mark"),
    ("validation classes, base images", "real data", "warm"),
    ("support set of an episode", "every method", "good"),
    ("labels of queries, other test images", "never", "bad"),
)


def access() -> str:
    """Draw what a method may see, with the tag that follows from it."""
    parts = [text(2, 16, "what a method may see", "bold"), text(388, 16, "tag of its row", "bold end")]
    for i, (what, tag, kind) in enumerate(ACCESS):
        y = 30 + 44 * i
        parts += [
            box(2, y, 386, 36),
            box(2, y, 8, 36, kind, 2),
            text(22, y + 23, what),
            text(376, y + 23, tag, "end bold"),
        ]
    return svg(390, 252, "What a method may see, and the tag of its row", parts)


def cells() -> str:
    """Draw the grid of a run, methods by tracks: a cell of it becomes a record, a line of it a row of the board."""
    tracks, methods = ("icons", "sketch", "digits"), ("lora-average", "lora-recycle", "frozen-prototype")
    parts = [text(150 + 62 * i, 16, name, "soft mid") for i, name in enumerate(tracks)]
    for i, method in enumerate(methods):
        parts.append(text(112, 46 + 40 * i, method, "soft end"))
        parts += [box(122 + 62 * j, 26 + 40 * i, 56, 32, "pale" if (i, j) == (1, 1) else "box", 4) for j in range(3)]
    parts += [arrow(212, 140, 212, 172), text(212, 190, "a cell (one seed) → a record", "mid")]
    parts += [arrow(310, 82, 340, 82), text(346, 78, "a row"), text(346, 96, "of the board", "soft")]
    return svg(440, 200, "A run is a grid of cells; a cell becomes a record, a method's records a row", parts)


VERDICTS = (
    ("better", 1.2, 0.5, "good"),
    ("equal", 0.05, 0.35, "mark"),
    ("undecided", 0.5, 0.7, "grey"),
    ("worse", -1.3, 0.6, "bad"),
)
"""Word, mean difference and half-width in points, colour."""


def verdict() -> str:
    """Draw how the interval of a paired difference becomes a verdict."""
    scale, zero = 70, 216
    low, high = zero - scale / 2, zero + scale / 2
    parts = [box(low, 24, high - low, 168, "pale", 0), f'<path d="M{zero} 24v168" class="thin"/>']
    parts += [text(low, 16, "−0.5", "soft mid"), text(zero, 16, "0", "soft mid"), text(high, 16, "+0.5", "soft mid")]
    for i, (word, mean, half, kind) in enumerate(VERDICTS):
        y, x = 46 + 40 * i, zero + scale * mean
        parts += [f'<path d="M{x - scale * half:g} {y}h{2 * scale * half:g}" class="line"/>']
        parts += [f'<circle cx="{x:g}" cy="{y}" r="6" class="{kind}"/>', text(2, y + 5, word, "bold")]
    parts.append(text(zero, 212, "A − B in points of accuracy, on shared episodes", "soft mid"))
    return svg(
        390, 222, "A verdict compares the interval of a difference with half a point on either side of zero", parts
    )


FIGURES = {
    "pipeline.svg": lambda: pipeline(4),
    "pipeline-tall.svg": lambda: pipeline(2),
    "lora.svg": lora,
    "inversion.svg": inversion,
    "episode.svg": few_shot,
    "access.svg": access,
    "cells.svg": cells,
    "verdict.svg": verdict,
}


def main(folder: Path) -> None:
    """Write all figures."""
    for name, draw in FIGURES.items():
        write_text(folder / name, draw())
        print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
