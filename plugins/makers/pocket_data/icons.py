"""Build the icon sheet: one concept per class, one drawing from each icon set that has it."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.concept_names import STYLE_WORDS, normalise
from makers.pocket_data.sketch import to_levels
from makers.pocket_data.split_classes import split_classes
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGE = ("@iconify/json", "2.2.535", "1a545f86fa224d6531d8fb101dcbe83aac2b28689a21cbed6fc68318a5af4d91")
PERMISSIVE = frozenset({"MIT", "Apache-2.0", "CC0-1.0", "CC-BY-4.0", "OFL-1.1", "ISC", "BSD-3-Clause", "Unlicense"})
SIZE = 28
FINE = 112
"""Side at which an icon is rendered before it is averaged down."""
MARGIN = 2
CLASSES = 240
FEWEST, MOST = 25, 40
ALIKE = 0.12
"""Share of differing ink below which two drawings count as one: icon families re-issue their icons."""

NOT_PICTURES = frozenset(
    (  # noqa: SIM905
        # marks that other names are built from: as classes they would be ambiguous ('plus' in 'folder plus')
        "plus|minus|check|close|circle|square|triangle|rectangle|hexagon|octagon|pentagon|arrow|x|off|up|down|left|right|"
        "stop|text|shape|direction|app|device|group|badge|tool|bar|column|label|sort|move|expand|minimize|maximize|"
        "fullscreen|scale|menu|list|grid|layout|layer|list|time|copyright|record|task|card|like|next|exit|import|export|"
        "backward|switch|alert|block|duplicate|shop|at|dashboard|navigation|weight|album|sticker|accessibility|"
        "copy|code|info|open|help|question|equal|signal|language|quote|hash|mask|card|water|album|presentation|"
        # letters and typography
        "bold|italic|underline|strikethrough|paragraph|heading|font|subscript|superscript|percent|align justify|"
        "border bottom|border left|border top|border right|asterisk|exclamation|dollar|euro|"
        # trade marks
        "facebook|twitter|github|instagram|youtube|linkedin|google|dribbble|pinterest|telegram|whatsapp|behance|html|"
        "reddit|slack|css|figma|gitlab|tiktok|discord|dropbox|skype|spotify|twitch|snapchat|tumblr|paypal|android|apple|"
        "bitcoin|airplay|git branch|bluetooth|window|voicemail|cast|"
        # the same sign as another class
        "user group|logout|login|volume|webcam|eye off|unlink|cursor|ban|money|"
        "arrow circle left|arrow circle right|arrow circle up|arrow circle down|"
        "arrow down right|arrow down left|arrow up right|arrow up left|"
        "close circle|check square|plus square|minus square|question circle|info circle|exclamation circle|"
        "stop circle"
    ).split("|")
)
"""Concepts that are not classes: abstract, a trade mark, or the same sign as another class."""


@dataclass(frozen=True)
class Icon:
    """One icon of one set, as found in the package."""

    prefix: str
    name: str
    concept: str
    body: str
    box: tuple[float, float, float, float]
    """left, top, width, height of the drawing's coordinates."""


@dataclass(frozen=True)
class IconSet:
    """One icon set: name, authors, licence."""

    prefix: str
    title: str
    author: str
    license: str
    coloured: bool
    category: str
    icons: tuple[Icon, ...]

    def attribution(self) -> dict[str, str]:
        """Return the entry of this set in a card."""
        return {"title": self.title, "author": self.author, "license": self.license}


def build_icons(work: Path, out: Path) -> Card:
    """Write icons.webp and icons.json into `out`."""
    sets = {s.prefix: s for s in read_sets(work) if _usable(s)}
    drawn = _draw_all(_candidates(sets.values()))
    chosen = _choose(drawn)
    classes = tuple(sorted(chosen))
    used = sorted({prefix for stack in chosen.values() for prefix in stack})
    card = Card(
        name="icons",
        title="Icon concepts across icon sets",
        size=SIZE,
        classes=classes,
        counts=tuple(len(chosen[name]) for name in classes),
        split=split_classes(
            classes, "freeshot-icons-1:", base=round(0.55 * len(classes)), validation=round(0.17 * len(classes))
        ),
        sha256="",
        source=f"npm {PACKAGE[0]} {PACKAGE[1]} (sha256 {PACKAGE[2]}), {len(used)} icon sets",
        license=" AND ".join(sorted({sets[prefix].license for prefix in used})),
        attribution="Each cell is an icon of one set; `parts` names title, author and licence of every set.",
        notes="Changes: rendered, cropped to the ink, averaged down to 28 pixels and rounded to 16 grey levels.",
        parts={
            "sets": {prefix: sets[prefix].attribution() for prefix in used},
            "rows": {name: list(chosen[name]) for name in classes},
        },
    )
    return write_sheet(out, card, {name: np.stack(list(chosen[name].values())) for name in classes})


def read_sets(work: Path) -> Iterator[IconSet]:
    """Yield the permissively licensed icon sets of the package, in alphabetical order."""
    folder = fetch_packages.unpack(fetch_packages.npm(*PACKAGE, work), work / "iconify")
    for path in sorted((folder / "package" / "json").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["info"]["license"].get("spdx") in PERMISSIVE:
            yield _read_set(content)


def render(icon: Icon, side: int = FINE) -> NDArray[np.uint8]:
    """Render an icon on white, its drawing area fitted into a square of `side` pixels: [side, side, 3]."""
    import resvg_py

    left, top, width, height = icon.box
    longest = max(width, height)
    box = f"{left - (longest - width) / 2} {top - (longest - height) / 2} {longest} {longest}"
    body = icon.body.replace("currentColor", "#000")
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{side}" height="{side}" viewBox="{box}">{body}</svg>'
    )
    content = resvg_py.svg_to_bytes(svg_string=text, background="#ffffff", skip_system_fonts=True)
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def fit(picture: NDArray[np.uint8], size: int = SIZE, margin: int = MARGIN) -> NDArray[np.uint8] | None:
    """Crop a fine image on white to its ink and average it down to `size`; None if it is blank or solid."""
    ink = picture.min(axis=2) < 240
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if ink[top:bottom, left:right].mean() > 0.97 and _plain(picture, ink):  # a bar or a filled box shows nothing
        return None
    side = max(bottom - top, right - left, picture.shape[0] // 3)
    canvas = np.full((side, side, 3), 255, dtype=np.uint8)
    y, x = (side - (bottom - top)) // 2, (side - (right - left)) // 2
    canvas[y : y + bottom - top, x : x + right - left] = picture[top:bottom, left:right]
    inner = size - 2 * margin
    small = np.asarray(Image.fromarray(canvas).resize((inner, inner), Image.Resampling.BOX))
    cell = np.full((size, size, 3), 255, dtype=np.uint8)
    cell[margin : margin + inner, margin : margin + inner] = small
    return cell if 0.01 < (255 - cell.astype(np.float64)).mean() / 255 < 0.95 else None


def _plain(picture: NDArray[np.uint8], ink: NDArray[np.bool_]) -> bool:
    """Return whether a full image is grey or nearly of one colour, unlike a flag or a badge."""
    return bool((picture[..., :1] == picture).all() or picture[ink].std() < 25)


def _read_set(content: dict[str, Any]) -> IconSet:
    """Read one set's JSON."""
    about, prefix = content["info"], content["prefix"]
    icons = tuple(
        Icon(prefix, name, normalise(name), icon["body"], _box(icon, content))
        for name, icon in content["icons"].items()
        if not icon.get("hidden")
    )
    return IconSet(
        prefix=prefix,
        title=about["name"],
        author=about["author"]["name"],
        license=about["license"]["spdx"],
        coloured=bool(about.get("palette")),
        category=about.get("category", ""),
        icons=icons,
    )


def _box(icon: dict[str, Any], content: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return an icon's drawing area, falling back to its set's and then to 16."""
    left, top = icon.get("left", content.get("left", 0)), icon.get("top", content.get("top", 0))
    return left, top, icon.get("width", content.get("width", 16)), icon.get("height", content.get("height", 16))


def _usable(icons: IconSet) -> bool:
    """Return whether a set has drawings in one ink; logos are trade marks and emoji are for the corpus."""
    return not icons.coloured and icons.category not in {"Logos", "Programming", "Emoji"}


def _candidates(sets: Iterable[IconSet]) -> dict[str, list[Icon]]:
    """Return the concepts that many sets have, with each set's plainest icon."""
    by_concept: dict[str, dict[str, Icon]] = defaultdict(dict)
    for icon_set in sets:
        for icon in sorted(icon_set.icons, key=_plainness, reverse=True):  # the plainest comes last and overwrites
            if icon.concept not in NOT_PICTURES and len(icon.concept) > 1:
                by_concept[icon.concept][icon_set.prefix] = icon
    return {name: list(icons.values()) for name, icons in sorted(by_concept.items()) if len(icons) >= FEWEST}


def _plainness(icon: Icon) -> tuple[int, int, int, str]:
    """Return the sort key of a concept's variants in a set: fewest words of style or synonymy first."""
    words = icon.name.split("-")
    foreign = sum(word not in icon.concept for word in words)
    return foreign, sum(word in STYLE_WORDS for word in words), len(icon.name), icon.name


def _draw_all(candidates: dict[str, list[Icon]]) -> dict[str, dict[str, NDArray[np.uint8]]]:
    """Draw every candidate: concept -> set -> [28, 28] in sixteen levels, blanks left out."""
    drawn: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for concept, icons in candidates.items():
        drawn[concept] = {}
        for icon in icons:
            cell = fit(render(icon))
            if cell is not None:
                grey = cell @ np.array([0.299, 0.587, 0.114])
                drawn[concept][icon.prefix] = to_levels(grey)
    return drawn


def _choose(drawn: dict[str, dict[str, NDArray[np.uint8]]]) -> dict[str, dict[str, NDArray[np.uint8]]]:
    """Drop near copies within a class and copies across classes; keep the best-filled classes."""
    shared = _in_two_classes(drawn)
    kept: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for concept, stack in drawn.items():
        distinct: dict[str, NDArray[np.uint8]] = {}
        for prefix, cell in stack.items():
            if cell.tobytes() not in shared and not any(nearly_identical(cell, other) for other in distinct.values()):
                distinct[prefix] = cell
        kept[concept] = distinct
    filled = sorted((c for c in kept if len(kept[c]) >= FEWEST), key=lambda c: (-len(kept[c]), c))
    return {c: _first(kept[c]) for c in filled[:CLASSES]}


def _first(stack: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
    """Keep at most MOST drawings, from every n-th set so that no family of sets dominates."""
    names = sorted(stack)
    indices = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST)).round().astype(int))
    return {names[index]: stack[names[index]] for index in indices}


def nearly_identical(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Return whether two drawings differ in less than ALIKE of their joint ink."""
    a, b = 255 - first.astype(np.int64), 255 - second.astype(np.int64)
    return bool(np.abs(a - b).sum() < ALIKE * np.maximum(a, b).sum())


def _in_two_classes(drawn: dict[str, dict[str, NDArray[np.uint8]]]) -> set[bytes]:
    """Return the rasters that occur in more than one class and are therefore ambiguous."""
    owner: dict[bytes, str] = {}
    shared: set[bytes] = set()
    for concept, stack in drawn.items():
        for cell in stack.values():
            if owner.setdefault(cell.tobytes(), concept) != concept:
                shared.add(cell.tobytes())
    return shared
