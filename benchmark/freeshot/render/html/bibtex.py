"""BibTeX entries from citations as plugins write them: 'Hu et al., LoRA Recycle, CVPR 2025; …'."""

from __future__ import annotations

import re

from freeshot.render.format import one_line
from freeshot.version import __version__

FREESHOT = (
    "@software{freeshot,\n  author = {{The FreeShot authors}},\n  title = {FreeShot},\n"
    f"  version = {{{__version__}}},\n  license = {{Apache-2.0}}\n}}"
)
SOURCE = re.compile(r"(?P<author>[^,]+), (?P<title>.+), (?P<venue>[^,]*?) ?(?P<year>(?:19|20)\d\d)(?: \([\d.]+\))?")


def bibtex(key: str, citation: str, address: str = "") -> str:
    """Return an entry for each source of a citation; `address` belongs to the first. '' without a citation."""
    sources = [text for text in one_line(citation).split("; ") if text]
    name = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-") or "row"
    entries = [
        _entry(f"{name}-{number}" if number > 1 else name, source, address if number == 1 else "")
        for number, source in enumerate(sources, start=1)
    ]
    return "\n\n".join(entries)


def _entry(key: str, source: str, address: str) -> str:
    parts = SOURCE.fullmatch(source)
    if parts is None:
        fields = {"title": source}
    else:
        author = re.sub(r" et al\.$", " and others", parts["author"])
        fields = {"author": author, "title": parts["title"], "howpublished": parts["venue"], "year": parts["year"]}
    lines = [f"  {name} = {{{_escaped(text)}}}" for name, text in fields.items() if text]
    lines += [f"  url = {{{address}}}"] * bool(address)
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def _escaped(text: str) -> str:
    """Escape what BibTeX and LaTeX would interpret."""
    return re.sub(r"([%&#$_])", r"\\\1", re.sub(r"[{}\\]", "", text))
