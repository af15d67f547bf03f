"""Version check: a plugin's dependency on freeshot must include this version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from freeshot.version import __version__

if TYPE_CHECKING:
    from importlib.metadata import Distribution

OURS = re.compile(r"freeshot(?![\w.-])", re.IGNORECASE)


def why_incompatible(distribution: Distribution) -> str:
    """Return why a distribution refuses this version of FreeShot; '' if it does not."""
    return next((reason for text in distribution.requires or () if (reason := _why_refused(text, distribution))), "")


def _why_refused(text: str, distribution: Distribution) -> str:
    if not OURS.match(text):
        return ""
    from packaging.requirements import InvalidRequirement, Requirement  # 50 ms, and first-party plugins need none

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return f"Its requirement '{text}' is not valid. Install another version of it."
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    if requirement.specifier.contains(__version__, prereleases=True):
        return ""
    wanted = f"It needs {text.partition(';')[0].strip()}, but this is freeshot {__version__}"
    name = distribution.metadata["Name"]
    if _asks_for_more(str(requirement.specifier)):
        return f"{wanted}, which is too old for it. Upgrade freeshot, or install an older {name}."
    return f"{wanted}, which is too new for it. Upgrade {name}, or install an older freeshot."


def _asks_for_more(specifier: str) -> bool:
    """Return whether a bound is above this version."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    ours = Version(__version__)
    lower = (bound for bound in SpecifierSet(specifier) if bound.operator in {">=", ">", "==", "~=", "==="})
    return any(Version(bound.version.removesuffix(".*")) >= ours and not bound.contains(ours) for bound in lower)
