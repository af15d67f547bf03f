"""Locations of pools: shipped by plugins, built or imported into a folder of pools, or any folder.

A name can refer to a part of a pool: 'pocket/sketch' are the LoRAs tuned on 'sketch'. 'pocket+noise30' is a variant
of 'pocket'. No tensors are opened, only cards are read; torch is not imported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from freeshot.basics.errors import MissingPoolError, PoolError, UnknownNameError
from freeshot.basics.suggestions import unknown_name
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool import POOL_CARD

POOLS = Path("pools")
"""Default folder in which users' own pools are searched and built."""


@dataclass(frozen=True)
class PoolLocation:
    """The location of a pool."""

    name: str
    folder: Path
    part: str = ""
    """Data set whose LoRAs are selected; empty for all."""
    shipped: bool = True
    """Whether a plugin ships it, so that its name identifies it."""

    @property
    def identity(self) -> str:
        """Hash of the card, which includes the hashes of all files, if the pool is not shipped; '' otherwise."""
        from freeshot.pool.cards import read_pool_card

        return "" if self.shipped else read_pool_card(self.folder).identity


def find_pool(name: str, catalogue: Catalogue, pools: Path = POOLS) -> PoolLocation:
    """Find a pool by its name, a plugin's first, or by its folder.

    MissingPoolError explains how to build a pool that has a recipe; UnknownNameError is raised for other names.
    """
    plain = name.partition("+")[0]  # the suffix is a variant
    if location := _whole(plain, catalogue, pools):
        return location
    whole, slash, part = plain.rpartition("/")
    if slash and (location := _whole(whole, catalogue, pools)):
        return replace(location, part=part)
    if plain in catalogue.pool_plans():
        raise MissingPoolError(
            f"The pool '{plain}' has not been built: {pools / plain / POOL_CARD} does not exist. Build it with: "
            f"{build_command(plain, pools)}"
        )
    if Path(plain).is_dir():
        raise PoolError(f"{plain} is not a pool: it has no {POOL_CARD}. Build one with 'freeshot pool build'.")
    known = {*catalogue.pools(), *catalogue.pool_plans(), *built_pools(pools)}
    raise unknown_name("pool", plain, known, catalogue.hint("pool"))


def find_own_pool(name: str, catalogue: Catalogue, pools: Path = POOLS) -> Path:
    """Return the folder of a pool below the folder of pools; PoolError or UnknownNameError for any other."""
    if name in catalogue.pools():
        raise PoolError(
            f"The pool '{name}' is shipped by {catalogue.origin('pool', name)} and cannot be removed. Uninstall that "
            "plugin instead."
        )
    if name in built_pools(pools):
        return pools / name
    if Path(name).is_dir():
        raise PoolError(f"{name} is a folder; only pools in {pools} are removed, by name. Delete the folder yourself.")
    raise unknown_name(f"pool in {pools}", name, built_pools(pools))


def canonical_pool_name(name: str, catalogue: Catalogue, pools: Path = POOLS) -> str:
    """Return a pool's name instead of its folder, with its part and variant."""
    location = find_pool(name, catalogue, pools)
    return f"{location.name}{_suffix(location, name)}"


def absolute_pool_name(name: str, catalogue: Catalogue, pools: Path = POOLS) -> str:
    """Return a pool name that is valid in any working directory: an absolute path if it was given by folder."""
    try:
        location = find_pool(name, catalogue, pools)
    except MissingPoolError:
        return name
    if location.shipped or location.folder == pools / location.name:
        return name
    return f"{location.folder.absolute()}{_suffix(location, name)}"


def _suffix(location: PoolLocation, name: str) -> str:
    """Return the part and the variant in the name of a pool."""
    part = f"/{location.part}" if location.part else ""
    return part + "".join(name.partition("+")[1:])


def require_pool_name(name: str, catalogue: Catalogue) -> None:
    """Refuse a name that could not be found later; the names of plugins' recipes are allowed."""
    if name in catalogue.pool_plans():
        return
    from freeshot.pool.cards import is_folder_name

    parts = name.split("/")
    if len(parts) > 2 or "+" in name or not all(is_folder_name(part) for part in parts):
        raise PoolError(
            f"'{name}' is not a valid pool name. A name has one or two parts, such as 'mine' or 'lab/mine', that "
            "do not begin with a dot and contain no '+', ':' or '\\'. Choose another name."
        )
    shipped = catalogue.pools()
    for taken, target in ((name, "that one"), (parts[0], "a part of it")):
        if taken in shipped:
            raise PoolError(
                f"The pool '{taken}' is shipped by {catalogue.origin('pool', taken)}, and '{name}' would refer to "
                f"{target}. Choose another name."
            )


def build_command(name: str, pools: Path = POOLS) -> str:
    """Return the command that builds a pool from its recipe."""
    out = "" if pools == POOLS else f" --out {pools / name}"
    return f"freeshot pool build {name} --device auto{out}"


def built_pools(pools: Path = POOLS) -> tuple[str, ...]:
    """List the pools in a folder of pools by name: 'mine', 'paper/mixed'."""
    if not pools.is_dir():
        return ()
    cards = [*pools.glob(f"*/{POOL_CARD}"), *pools.glob(f"*/*/{POOL_CARD}")]
    return tuple(sorted(card.parent.relative_to(pools).as_posix() for card in cards))


def _whole(name: str, catalogue: Catalogue, pools: Path) -> PoolLocation | None:
    try:
        return PoolLocation(name, catalogue.pool(name))
    except UnknownNameError:
        pass
    path = Path(name)
    if not path.is_absolute() and ".." not in path.parts and (pools / path / POOL_CARD).is_file():
        return PoolLocation(name, pools / name, shipped=False)
    if (path / POOL_CARD).is_file():
        from freeshot.pool.cards import read_pool_card

        card = read_pool_card(path)
        shipped = catalogue.pools().get(card.name)
        if shipped is not None and card.identity != read_pool_card(shipped).identity:
            raise PoolError(
                f"The pool in {path} is named '{card.name}', but a plugin ships another pool of that name. Import it "
                f"under another name: freeshot pool import {path} --backbone {card.backbone} --name NAME"
            )
        return PoolLocation(card.name, path, shipped=False)
    return None
