"""Build the clip-art sheet: hand-chosen kinds of things from the Open Clip Art Library."""

from __future__ import annotations

import hashlib
import struct
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from freeshot_vision.sheets import Card
from makers.pocket_data import fetch_packages
from makers.pocket_data.write_sheet import write_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGE = "openclipart-png"
VERSION = "1:0.18+dfsg-19"
SHA256 = "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02"
SIZE = 28
MARGIN = 1
MOST = 40
"""Maximal number of images per class, selected by a hash of their names."""
MOST_PIXELS = 4_000_000
"""Larger posters take seconds each to open and are skipped."""
DARK = 200
LEAST_INK = 0.02
"""Hairline drawings, of which less than this share of the cell stays dark, are skipped."""
LEVEL = 17
"""Sixteen levels a colour: half the bytes and no visible difference at this size."""

VALIDATION = ("balloon", "cake", "hat", "computer", "hoofed animal", "semaphore", "map", "hand tool")

KINDS: dict[str, str] = {
    "arrow": "shapes/arrows/*",
    "bird": "animals/birds/* unsorted/{Anatra,Colombo,Pinguino,Tacchino,colombo,gabbiano,pennuto,struzzo}* "
    "-{contour_bat,manager,simbolo_egizio,wing,turkey_on,ralf_ark,mirjam,baby-tux,stormo,marchio,duck_yellow_ii}*",
    "insect": "animals/bugs/* -{spider,ragn,lumaca,virus,mostriciattolo,punaisa}*",
    "cat": "animals/mammals/{housecats,big_cats}/* animals/mammals/cartoon_cat* "
    "-{le_mie_tigri,cat_scrathing,cartoon_vgcats}*",
    "hoofed animal": "animals/mammals/{antilope,bull,contour_camel,contour_giraffe,camel,dall_sheep,deer,goat,mhooo,"
    "pecora,pig,a_simple_pig,sheep,stambecco,toro,vacca,fawn}* animals/mammals/horses/* animals/bison* "
    "unsorted/{cammello,mucca,pecorella,toros}* -mechorse",
    "sea animal": "animals/fish/* animals/{seal,turtle}* unsorted/pescetto* "
    "animals/mammals/{bluewhale,dolphin,orca}* -{amibe,kallisti,paesaggio}*",
    "citrus fruit": "food/fruit/{lemon,lime,orange,rondelle,tile_orange}*",
    "orchard fruit": "food/fruit/{an_apple,another_apple,apple,applf,cartoon_apple,cherr,eris_apple,green_pear,pear,"
    "pera,pesca,peach,prune,la_prugna}* -apple_juice*",
    "ice cream": "food/desserts/{cone,glace,gelato,ice_cream}*",
    "drink": "food/beverages/* -{flower-pot,ice_cube,icecube,macchina,lattine}*",
    "cake": "food/desserts/{birthday,cake,flan,flat_cake,gateau,muffin,pie_,pink_cake,pudim,torta}* "
    "food/breads_and_carbs/{muffin,pancake}*",
    "meal": "food/meats_and_eggs/* food/{burrito,pizza,lasagna,spaghetti,fries,french,onion_rings,perogies,sandwich}* "
    "-{mcoon,fuoco,frying_pan,pizza_4}*",
    "house": "buildings/homes/* -lighthouse*",
    "flower": "plants/flowers/* unsorted/ros* -{cactus,cartoon_tree}*",
    "tree": "plants/trees/* plants/{albero,arbre,bamboo,cannabis,leaf,olivier,shamrock,island_palm}* unsorted/foglie* "
    "-{bowsaw,bypass,christmas_balls}*",
    "hat": "people/clothing/hats/* people/clothing/{adventurer,turban,winter_hat}* food/toque* "
    "recreation/party/couronne* -{jacob,propeller}*",
    "road vehicle": "transportation/vehicles/* transportation/{bmw,dodge,formula,sportcar,toyota,truck,hummer_,"
    "car_jamin,fire_engine,small_truck}* -{aircraft,airplane,military,plane,toy_paper,departing,rocket,bicicletta,"
    "bicycle,bus_symbol,crossroads,curve,cycle,lighthouse,m1_,parking,quay,road_runner,sledge,the_mad,trawler,vtt,wing}*",
    "computer": "computer/hardware/{computer,desktop,doublesight,flat_screen,gnome-fs-client,laptop,lcd,monitor,"
    "schermo,tower,video,workstation,various}* -computer_keyboard*",
    "clock": "signs_and_symbols/clocks/* recreation/sports/cronometro* -{sand_glass,sandglass,minute}*",
    "smiley": "people/smilies/smiley*",
    "national flag": "signs_and_symbols/flags/{africa,asia}/* -{*_01,*map}*",
    "signal flag": "signs_and_symbols/flags/signalflag*",
    "road sign": "transportation/roadsigns/* -{advertising,ampel,route,nws}*",
    "map": "geography/{africa,australia,brazil,new-south,northern-terr,queensland,south,tasmania,victoria,western,"
    "map_of,romania,state_of,spain,europe,oceania}* -{australia_mike,southern}*",
    "musical instrument": "recreation/music/{africandrum,bass_guitar,cello,derbouk,djambf,drums,electric_guitar,flute,"
    "french_horn,guitar,harp,maracas,mountain,oboe,piano_g,saxophone,tenor,tpt,trumpet,violin,war_drum,xylo}*",
    "playing card": "recreation/games/cards/simple/*",
    "balloon": "recreation/party/{balloon,baloon,palloncini,heart-ballons}* transportation/pallone* "
    "signs_and_symbols/heart-ballons* shapes/clipart_by*",
    "hand tool": "tools/{axe,blacksmith_hammer,bypass,chiave_arch,construction,cultivator,drill,hammer,hedge,"
    "leafrake,nail,round,saw,screwdriver,simple_shovel,spaclu,tool,trowel,utensil,wooden,wrench,scissors,scalpel,"
    "broom}* unsorted/{sega,Martell,motosega}* -{toothbrush}*",
    "safety sign": "signs_and_symbols/{Basse,Champ,Charges,Chute,Danger,Matieres,Radiations,Rayon,Risque,Treb,"
    "Vehicules}* signs_and_symbols/*_yve*",
    "stick figure": "people/stickmen/*",
    "speech bubble": "shapes/callouts/*",
    "jigsaw piece": "shapes/jigsaw/*",
    "semaphore": "signs_and_symbols/flags/semaphore/*",
}
"""Class → patterns of its files; {a,b} means either, a leading minus excludes names."""

CONCEPTS: dict[str, str] = {
    "bird": "penguin duck owl eagle chicken rooster swan gull flamingo turkey crow puffin dove",
    "insect": "bee butterfly ladybug dragonfly ant fly mosquito grasshopper mantis wasp beetle bug moth",
    "cat": "tiger lion cheetah kitten",
    "hoofed animal": "horse cow bull sheep goat deer antelope camel giraffe pig bison",
    "sea animal": "fish whale dolphin seal turtle seahorse crayfish lobster shark orca",
    "citrus fruit": "lemon lime orange",
    "orchard fruit": "apple pear cherry peach plum",
    "ice cream": "icecream popsicle",
    "drink": "cup mug coffee tea teapot teacup juice milk lemonade beer glass soda",
    "cake": "pie muffin pancake cupcake birthday pudding",
    "meal": "burger hamburger pizza sandwich spaghetti bacon egg fries steak sausage burrito hotdog",
    "house": "home hut cottage tent igloo",
    "flower": "rose tulip daisy sunflower daffodil",
    "tree": "leaf palm fern shamrock clover",
    "hat": "cap crown sombrero turban",
    "road vehicle": "car bus truck lorry jeep tractor ambulance van",
    "computer": "laptop monitor desktop screen",
    "clock": "watch stopwatch alarm timer",
    "smiley": "emoji face smile emoticon",
    "national flag": "flag",
    "signal flag": "flag",
    "road sign": "sign",
    "musical instrument": "guitar violin drum trumpet harp piano flute saxophone cello trombone maracas xylophone",
    "playing card": "card spade",
    "hand tool": "hammer saw axe wrench screwdriver shovel rake drill pliers scissors tool key broom",
    "safety sign": "warning danger hazard sign",
    "stick figure": "person man",
    "speech bubble": "chat message bubble comment",
    "jigsaw piece": "puzzle jigsaw",
}
"""Class → contents of its images: concepts that a pre-training corpus must exclude, besides the class itself."""


def build_clipart(work: Path, out: Path) -> Card:
    """Write clipart.webp and clipart.json into `out`."""
    folder = fetch_packages.unpack(fetch_packages.deb(PACKAGE, work, SHA256), work / "clipart")
    root = folder / "usr" / "share" / "openclipart" / "png"
    drawings = _drop_shared({kind: list(_pictures(root, patterns)) for kind, patterns in KINDS.items()})
    kept = {kind: np.stack(pictures[:MOST]) for kind, pictures in drawings.items()}
    return write_sheet(out, card({kind: len(stack) for kind, stack in kept.items()}), kept)


def card(counts: dict[str, int]) -> Card:
    """Return the card of the sheet without hash."""
    novel = [kind for kind in counts if kind not in VALIDATION]
    return Card(
        name="clipart",
        title="Open Clip Art",
        size=SIZE,
        classes=tuple(counts),
        counts=tuple(counts.values()),
        split={"base": [], "validation": list(VALIDATION), "novel": novel},
        sha256="",
        source=f"Debian package {PACKAGE} {VERSION} (sha256 {SHA256}), {len(KINDS)} classes chosen by hand",
        license="public domain",
        attribution="The artists of the Open Clip Art Library, who dedicated their drawings to the public domain.",
        notes=f"Changes: put on white, cut to the drawing, padded to a square with a margin of {MARGIN} pixel, reduced "
        f"to {SIZE} pixels (area average), rounded to 16 levels a colour. At most {MOST} drawings of a class; blank "
        "and repeated ones are left out. Some are near relatives: one artist's set, or a coloured and a black and "
        "white version of one drawing. A target only: nothing is trained on it.",
        parts={"concepts": {kind: CONCEPTS.get(kind, "").split() for kind in counts}},
    )


def _pictures(root: Path, patterns: str) -> Iterator[NDArray[np.uint8]]:
    """Draw the matching files, each different image once, in an order determined by their names."""
    seen: set[bytes] = set()
    for path in _files(root, patterns):
        picture = _draw(path)
        if picture is not None and picture.tobytes() not in seen:
            seen.add(picture.tobytes())
            yield picture


def _files(root: Path, patterns: str) -> list[Path]:
    """Return the files of one class, ordered by a hash of their names."""
    included = [glob for pattern in patterns.split() if pattern[0] != "-" for glob in _either(pattern)]
    excluded = [glob for pattern in patterns.split() if pattern[0] == "-" for glob in _either(pattern[1:])]
    files = {path for pattern in included for path in root.glob(pattern + "*" * (pattern[-1] != "*"))}
    pictures = [p for p in files if p.suffix == ".png" and not any(fnmatchcase(p.name, glob) for glob in excluded)]
    return sorted(pictures, key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).hexdigest())


def _either(pattern: str) -> list[str]:
    """Expand a pattern with one {a,b} into two patterns."""
    if "{" not in pattern:
        return [pattern]
    before, _, rest = pattern.partition("{")
    middle, _, after = rest.partition("}")
    return [before + middle_part + after for middle_part in middle.split(",")]


def _draw(path: Path) -> NDArray[np.uint8] | None:
    """Draw one file on a white square of 28 pixels; None if it is blank."""
    if _pixels(path) > MOST_PIXELS:
        return None
    with Image.open(path) as picture:
        ink = picture.convert("RGBA")
    paper = Image.alpha_composite(Image.new("RGBA", ink.size, "white"), ink).convert("RGB")
    pixels = np.asarray(paper)
    marked = np.any(pixels < 250, axis=2)
    if not marked.any():
        return None
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    cut = paper.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    small = _fit(cut, SIZE - 2 * MARGIN)
    if np.mean(np.any(small < DARK, axis=2)) < LEAST_INK:
        return None
    return (np.rint(small / LEVEL) * LEVEL).astype(np.uint8)


def _pixels(path: Path) -> int:
    """Read the number of pixels of a PNG from its header."""
    with path.open("rb") as stream:
        width, height = struct.unpack(">II", stream.read(24)[16:])
    return int(width * height)


def _fit(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """Resize an image to fit `side`, centred on a white cell."""
    longest = max(picture.size)
    width, height = (max(1, round(length * side / longest)) for length in picture.size)
    cell = Image.new("RGB", (SIZE, SIZE), "white")
    cell.paste(picture.resize((width, height), Image.Resampling.BOX), ((SIZE - width) // 2, (SIZE - height) // 2))
    return np.asarray(cell)


def _drop_shared(drawings: dict[str, list[NDArray[np.uint8]]]) -> dict[str, list[NDArray[np.uint8]]]:
    """Drop images that occur in two classes."""
    owners: dict[bytes, set[str]] = {}
    for kind, pictures in drawings.items():
        for picture in pictures:
            owners.setdefault(picture.tobytes(), set()).add(kind)
    return {kind: [p for p in pictures if len(owners[p.tobytes()]) == 1] for kind, pictures in drawings.items()}
