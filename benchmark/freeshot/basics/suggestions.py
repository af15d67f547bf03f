"""Errors for unknown names, with suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from freeshot.basics.errors import UnknownNameError

FEW = 15
"""Longest list of valid names that is printed in addition to the nearest match."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """Build the error for an unknown name: the nearest match, and all valid names if they are few or none is near."""
    names = sorted(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean '{nearest[0]}'?" if nearest else ""
    listing = f" Known: {', '.join(names)}." if names else f" No {kind} is known."
    if nearest and len(names) > FEW:
        listing = ""
    return UnknownNameError(f"No {kind} is called '{name}'.{guess}{listing}{' ' + hint if hint else ''}")
