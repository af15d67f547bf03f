"""Words that imply a class without naming it: a lemon is a citrus fruit, an 'event' is drawn as a calendar.

Used by the corpus only, to exclude more than names alone would; it never includes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = {
    "citrus fruit": "lemon orange lime tangerine mandarin grapefruit citrus",
    "orchard fruit": "apple pear peach cherry plum apricot fruit",
    "drink": "beer wine cocktail juice coffee tea cup mug beverage bottle milk soda martini champagne glass",
    "meal": "food pizza burger restaurant sushi noodle soup dish ramen sandwich taco bento pasta lunch dinner",
    "hat": "cap beanie fedora helmet",
    "bird": "duck owl eagle chicken chick rooster penguin turkey swan dove goose peacock crow hen twitter",
    "insect": "bee ant beetle ladybug cricket caterpillar cockroach grasshopper dragonfly worm",
    "hoofed animal": "cow ox pig boar goat ram ewe deer giraffe camel buffalo bison llama zebra donkey moose bull",
    "sea animal": "fish shark whale dolphin octopus crab lobster shrimp seal squid turtle jellyfish oyster blowfish",
    "musical instrument": "guitar violin trumpet saxophone drum piano banjo accordion flute harp xylophone maraca",
    "ball": "soccer football basketball volleyball baseball softball tennis bowling rugby billiard",
    "weapon": "gun pistol sword dagger bomb cannon axe grenade crossbow",
    "hand tool": "hammer wrench screwdriver saw axe drill shovel pickaxe tool spade",
    "national flag": "flag regional",
    "playing card": "spade club joker poker",
    "smiley": "face grin emoji emoticon sentiment mood laugh smirk wink frown happy sad",
    "stick figure": "human man woman boy girl walk walking running child pedestrian",
    "user": "contact human man woman",
    "speech bubble": "bubble speech forum conversation dialog",
    "jigsaw piece": "puzzle extension jigsaw",
    "road sign": "sign roadsign",
    "safety sign": "sign hazard caution danger",
    "road vehicle": "bus truck van taxi motorbike scooter tractor jeep suv minibus",
    "boat": "sailboat yacht ferry canoe kayak sail",
    "aircraft": "helicopter flight drone",
    "house": "cottage hut cabin",
    "flower": "rose tulip hibiscus sunflower blossom lotus bouquet florist",
    "tree": "pine palm forest evergreen",
    "computer": "laptop pc",
    "telephone": "call",
    "calendar": "event date schedule month",
    "clipboard": "assignment",
    "trophy": "award winner",
    "settings": "cogwheel preference configuration",
    "tent": "camp camping campsite circus",
    "video": "movie camcorder",
    "heart": "love",
    "volume off": "mute muted silent",
    "search": "zoom",
    "cart": "trolley",
    "wifi": "wireless hotspot",
    "warning": "caution danger attention",
    "sun": "sunrise sunset sunlight",
    "moon": "night crescent",
    "chart": "graph analytics statistic histogram",
    "pin": "place",
    "globe": "internet",
    "email": "letter mailbox",
    "file": "doc page",
    "image": "gallery wallpaper",
    "building": "office apartment city skyline",
    "shield": "security",
    "timer": "stopwatch",
    "clock": "hour schedule",
    "bin": "rubbish dustbin wastebasket",
    "refresh": "rotate update",
    "terminal": "console",
    "target": "goal bullseye",
    "rocket": "launch",
    "male": "man gender mars",
    "female": "woman gender venus",
    "television": "screen display",
    "train": "tram subway metro railway",
    "power": "shutdown",
    "plug": "outlet socket",
    "thermometer": "temperature",
    "gift": "reward",
    "pencil": "write draw",
    "robot": "bot",
    "save": "floppy diskette",
    "lock": "password",
    "filter": "funnel",
    "link": "chain url",
    "eye": "visibility visible preview",
    "music": "song",
    "medal": "award",
    "flask": "beaker",
    "syringe": "injection vaccine vaccination",
    "hospital": "clinic",
    "umbrella": "parasol",
    "sparkle": "magic",
    "bed": "sleep",
    "cake": "pastry dessert cupcake",
    "ice cream": "sundae sorbet",
    "coffee": "cafe espresso mug tea",
    "cookie": "biscuit",
    "graduation cap": "graduate mortarboard",
    "hand": "finger palm fist gesture",
    "bank": "courthouse temple",
    "store": "market storefront",
    "leaf": "plant seedling herb",
    "wheel": "tire tyre steering",
    "chair": "sofa armchair seat",
    "horse": "pony unicorn",
    "bug": "beetle",
    "bicycle": "bike cycling",
    "crown": "king queen",
}
"""Class name → words equivalent to it."""

UNREADABLE_SETS = frozenset({"cif", "circle-flags", "flag", "flagpack", "fxemoji"})
"""Sets whose names do not describe their content: flags called 'fr', emoji called 'japanflag'."""


def with_kinds(names: Iterable[str]) -> list[str]:
    """Return the names and all words that imply them."""
    wanted = set(names)
    return sorted(wanted | {word for name in wanted for word in KINDS.get(name, "").split()})
