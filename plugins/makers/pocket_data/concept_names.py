"""Concept names: the name of an icon or class without style, number and spelling."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STYLE_WORDS = frozenset(
    "outline outlined outlines line linear lined fill filled solid bold thin light regular duo duotone twotone tone "  # noqa: SIM905
    "rounded round sharp baseline broken medium small large mini micro alt alternate variant rtl ltr sharpe "
    "monochrome black white color colored colorful flat twotoned streamline remix o the a an of".split()
)
"""Words that describe the style of a drawing; a name made of nothing else keeps them."""

KEPT_PLURALS = frozenset(
    "glasses eyeglasses sunglasses scissors news lens gas bus canvas atlas sms css gps ios pants shorts jeans stairs "  # noqa: SIM905
    "goggles binoculars headphones earbuds dos js ts aws nexus cactus virus octopus campus status bonus tennis iris "
    "analysis basis axis chess glass grass class express wireless access address process compass mattress dress".split()
)

WORDS = {
    "aeroplane": "airplane", "plane": "airplane", "aircraft": "airplane",
    "automobile": "car", "auto": "car", "vehicle": "car",
    "bike": "bicycle", "motorcycle": "motorbike", "ship": "boat", "frigate": "boat", "lorry": "truck",
    "tv": "television", "telly": "television", "telephone": "phone", "smartphone": "phone", "mobile": "phone",
    "cellphone": "phone", "smiley": "smile", "photo": "image", "picture": "image", "gear": "settings",
    "cog": "settings",
    "setting": "settings", "house": "home", "trash": "bin", "trashcan": "bin", "garbage": "bin", "delete": "bin",
    "magnifier": "search", "find": "search", "loupe": "search", "mail": "email", "envelope": "email",
    "person": "user", "account": "user", "avatar": "user", "people": "user", "profile": "user",
    "padlock": "lock", "earth": "globe", "world": "globe", "present": "gift", "mic": "microphone",
    "idea": "bulb", "lightbulb": "bulb", "lightning": "bolt", "thunderbolt": "bolt", "lamp": "bulb",
    "spectacles": "glasses", "eyeglasses": "glasses", "eyeglass": "glasses", "rabbit": "bunny", "kitty": "cat",
    "puppy": "dog", "notebook": "book", "bookmarks": "bookmark", "stopwatch": "timer", "cutlery": "restaurant",
    "favorite": "heart", "favourite": "heart", "photograph": "image", "headset": "headphones",
    "headphone": "headphones",
    "earphones": "headphones", "spanner": "wrench", "grey": "gray", "tick": "check",
    "checkmark": "check", "remove": "minus", "add": "plus", "cancel": "close", "cross": "close", "times": "close",
    "reload": "refresh", "luggage": "suitcase", "baggage": "suitcase", "briefcase": "suitcase", "rucksack": "backpack",
    "purse": "wallet", "doughnut": "donut", "eyeglas": "glasses", "cut": "scissors", "marker": "pin", "pushpin": "pin",
    "jet": "airplane", "camcorder": "video",
    "cloudy": "cloud", "sunny": "sun", "rainy": "rain", "raining": "rain", "snowy": "snow", "scissor": "scissors",
    "edit": "pencil", "compose": "pencil", "pen": "pencil", "notification": "bell", "alarm": "alarmclock",
    "message": "chat", "comment": "chat", "time": "clock", "print": "printer", "shop": "store", "document": "file",
    "alert": "warning", "label": "tag", "location": "pin", "attachment": "paperclip", "help": "question",
    "snow": "snowflake", "flame": "fire", "desktop": "monitor", "computer": "monitor", "sync": "refresh",
    "package": "box", "hashtag": "hash", "speaker": "volume", "sound": "volume",
}  # fmt: skip
"""One spelling per thing: an icon library's 'trash', 'bin' and 'delete' are one drawing."""

PHRASES = {
    ("light", "bulb"): ("bulb",), ("magnifying", "glass"): ("search",), ("shopping", "cart"): ("cart",),
    ("cell", "phone"): ("phone",), ("mobile", "phone"): ("phone",), ("map", "pin"): ("pin",),
    ("map", "marker"): ("pin",), ("t", "shirt"): ("tshirt",), ("alarm", "clock"): ("alarmclock",),
    ("video", "camera"): ("video",), ("head", "phones"): ("headphones",), ("tooth", "brush"): ("toothbrush",),
    ("thumb", "tack"): ("pin",), ("pick", "up", "truck"): ("pickup", "truck"), ("ice", "cream"): ("icecream",),
    ("hot", "dog"): ("hotdog",), ("tea", "pot"): ("teapot",), ("snow", "man"): ("snowman",),
    ("fire", "truck"): ("firetruck",), ("rain", "bow"): ("rainbow",), ("sun", "glasses"): ("sunglasses",),
    ("eye", "glasses"): ("glasses",), ("wine", "glass"): ("wineglass",), ("tooth", "paste"): ("toothpaste",),
    ("waste", "basket"): ("bin",), ("rubbish", "bin"): ("bin",), ("trash", "can"): ("bin",),
    ("traffic", "light"): ("trafficlight",), ("stop", "light"): ("trafficlight",), ("flash", "light"): ("flashlight",),
    ("lock", "open"): ("unlock",), ("open", "lock"): ("unlock",), ("music", "note"): ("music",),
    ("paper", "airplane"): ("send",), ("paper", "plane"): ("send",), ("paper", "clip"): ("paperclip",),
    ("chart", "pie"): ("pie", "chart"), ("chart", "bar"): ("bar", "chart"), ("chart", "line"): ("line", "chart"),
    ("floppy", "disk"): ("save",), ("floppy", "disc"): ("save",), ("eye", "closed"): ("eye", "off"),
    ("arrow", "left", "circle"): ("arrow", "circle", "left"),
    ("arrow", "right", "circle"): ("arrow", "circle", "right"),
    ("arrow", "up", "circle"): ("arrow", "circle", "up"), ("arrow", "down", "circle"): ("arrow", "circle", "down"),
    ("shopping", "basket"): ("basket",), ("volume", "mute"): ("volume", "off"), ("qr", "code"): ("qrcode",),
    ("credit", "card"): ("creditcard",), ("bar", "code"): ("barcode",), ("hour", "glass"): ("hourglass",),
    ("news", "paper"): ("newspaper",), ("wheel", "chair"): ("wheelchair",), ("finger", "print"): ("fingerprint",),
    ("power", "outlet"): ("plug",), ("smiley", "face"): ("smile",), ("face", "smile"): ("smile",),
    ("light", "house"): ("lighthouse",), ("key", "board"): ("keyboard",), ("back", "pack"): ("backpack",),
}  # fmt: skip

_TOKEN = re.compile(r"[a-z]+|[0-9]+")


@lru_cache(maxsize=1 << 19)
def normalise(name: str) -> str:
    """Reduce a name to its concept: lower case, singular, one spelling, no words of style or size."""
    tokens = _phrases([_singular(token) for token in _TOKEN.findall(name.lower())])
    kept = [t for t in tokens if t not in STYLE_WORDS and not t.isdigit()] or [t for t in tokens if not t.isdigit()]
    return " ".join(_without_echo([WORDS.get(token, token) for token in kept]))


def normalised(names: Iterable[str]) -> frozenset[str]:
    """Return the concepts of many names, and the joined spelling of those with several words."""
    concepts = {normalise(name) for name in names} - {""}
    return frozenset(concepts | {concept.replace(" ", "") for concept in concepts})


def mentions_any(name: str, concepts: frozenset[str]) -> bool:
    """Return whether any run of the name's words is one of the concepts, which went through `normalised`."""
    tokens = normalise(name).split()
    runs = (" ".join(tokens[i:j]) for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1))
    return any(run in concepts for run in runs)


def _singular(token: str) -> str:
    """Strip a plural ending, approximately; applied to both sides of every comparison."""
    if token in KEPT_PLURALS or len(token) <= 3 or not token.endswith("s") or token.endswith(("ss", "us", "is")):
        return token
    if token.endswith("ies") and len(token) > 5:
        return token[:-3] + "y"
    if token.endswith(("xes", "ches", "shes", "sses")):
        return token[:-2]
    return token[:-1]


_FIRSTS = {phrase[0] for phrase in PHRASES} | {"eye", "head", "sun"}


def _phrases(tokens: list[str]) -> list[str]:
    """Replace runs of words that have a one-word spelling."""
    result: list[str] = []
    index = 0
    while index < len(tokens):
        if tokens[index] in _FIRSTS:
            for length in (3, 2):
                spelling = PHRASES.get(tuple(tokens[index : index + length]))
                if spelling is not None:
                    result.extend(spelling)
                    index += length
                    break
            else:
                result.append(tokens[index])
                index += 1
        else:
            result.append(tokens[index])
            index += 1
    return result


def _without_echo(tokens: list[str]) -> list[str]:
    """Drop a word that repeats the one before it, as 'user account' becomes 'user user'."""
    return [token for index, token in enumerate(tokens) if index == 0 or token != tokens[index - 1]]
