"""Where pools lie: those that plugins ship, those that were built or imported into a folder of pools, any folder.

A name can lead to a part of a pool: 'pocket/sketch' is what was tuned on 'sketch'. 'pocket+noise30' is 'pocket',
poisoned. Nothing is opened here, only cards are read; torch is not imported.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import MissingPoolError, PoolError, UnknownNameError
from freeshot.basics.files import canonical_json
from freeshot.basics.names import unknown_name
from freeshot.pool.cards import CARD, is_piece, read_pool_card

if TYPE_CHECKING:
    from freeshot.plugin.catalogue import Catalogue

POOLS = Path("pools")
"""Where pools of one's own are looked for and built, if nobody says otherwise."""


@dataclass(frozen=True)
class Place:
    """A pool's folder."""

    name: str
    """How runs call it."""
    folder: Path
    part: str = ""
    """Data set whose LoRAs are meant; empty for all."""
    shipped: bool = True
    """Whether a plugin ships it, so that its name says which pool it is."""

    @property
    def identity(self) -> str:
        """Identify a pool that is not shipped by what its card says, hashes of all files included; '' otherwise."""
        return "" if self.shipped else card_sha256(read_pool_card(self.folder))


def find_pool(name: str, catalogue: Catalogue, pools: Path = POOLS) -> Place:
    """Find a pool by its name, a plugin's first, or by its folder.

    MissingPoolError says how to build one that has a plan; UnknownNameError answers a name that nobody knows.
    """
    sound = name.partition("+")[0]  # what follows is a poison
    if place := _whole(sound, catalogue, pools):
        return place
    whole, slash, part = sound.rpartition("/")
    if slash and (place := _whole(whole, catalogue, pools)):
        return replace(place, part=part)
    if sound in catalogue.pool_plans():
        raise MissingPoolError(
            f"The pool '{sound}' was not built yet: there is no {pools / sound / CARD}. Build it with: "
            f"{build_command(sound, pools)}"
        )
    if Path(sound).is_dir():
        raise PoolError(f"{sound} is no pool: it has no {CARD}. Build one with 'freeshot pool build'.")
    known = {*catalogue.pools(), *catalogue.pool_plans(), *built_pools(pools)}
    raise unknown_name("pool", sound, known, catalogue.hint("freeshot_pools"))


def require_pool_name(name: str, catalogue: Catalogue) -> None:
    """Refuse a name by which a new pool would not be found; what a plugin plans may be called as planned."""
    if name in catalogue.pool_plans():
        return
    parts = name.split("/")
    if len(parts) > 2 or "+" in name or not all(is_piece(part) for part in parts):
        raise PoolError(
            f"'{name}' cannot be a pool's name. A name has one part or two, such as 'mine' or 'lab/mine', that "
            "begin with no dot and hold no '+', ':' or '\\'. Choose another name."
        )
    shipped = catalogue.pools()
    for whole, taken in ((name, "that one"), (parts[0], "a part of it")):
        if whole in shipped:
            raise PoolError(
                f"The pool '{whole}' is shipped by {catalogue.origin('pool', whole)}, and '{name}' would be taken for "
                f"{taken}. Choose another name."
            )


def build_command(name: str, pools: Path = POOLS) -> str:
    """Return the command that builds a pool that has a plan."""
    out = "" if pools == POOLS else f" --out {pools / name}"
    return f"freeshot pool build {name} --device auto{out}"


def built_pools(pools: Path = POOLS) -> tuple[str, ...]:
    """List the pools in a folder of pools by name: 'mine', 'paper/mixed'."""
    if not pools.is_dir():
        return ()
    cards = [*pools.glob(f"*/{CARD}"), *pools.glob(f"*/*/{CARD}")]
    return tuple(sorted(card.parent.relative_to(pools).as_posix() for card in cards))


def card_sha256(card: Any) -> str:
    """Identify a pool by its card."""
    return hashlib.sha256(canonical_json(card).encode()).hexdigest()


def _whole(name: str, catalogue: Catalogue, pools: Path) -> Place | None:
    try:
        return Place(name, catalogue.pool(name))
    except UnknownNameError:
        pass
    path = Path(name)
    if not path.is_absolute() and ".." not in path.parts and (pools / path / CARD).is_file():
        return Place(name, pools / name, shipped=False)
    if (path / CARD).is_file():
        return _of_folder(path, catalogue)
    return None


def _of_folder(folder: Path, catalogue: Catalogue) -> Place:
    """Call a pool by its card; PoolError where a plugin's pool, another one, has that name."""
    card = read_pool_card(folder)
    name: str = card["name"]
    shipped = catalogue.pools().get(name)
    if shipped is not None and card_sha256(card) != card_sha256(read_pool_card(shipped)):
        raise PoolError(
            f"The pool in {folder} calls itself '{name}', as another one of a plugin does. Import it under a name of "
            f"its own: freeshot pool import {folder} --backbone {card['backbone']} --name NAME"
        )
    return Place(name, folder, shipped=False)
