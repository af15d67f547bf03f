"""Cards of components, from their classes: docstring, citation, links, help of options, example of a data set."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from freeshot.contracts.cards import Card
from freeshot.contracts.component import options_of
from freeshot.contracts.dataset import Example, FewShotDataset
from freeshot.plugin.kinds import KINDS

if TYPE_CHECKING:
    from freeshot.contracts.component import Component
    from freeshot.plugin.catalogue import Catalogue

SENTENCE = re.compile(r"(?<=[.!?])(?<!et al\.)(?<!e\.g\.)(?<!i\.e\.)\s+(?=[\w'(])")
"""The gap between two sentences."""
MOST = 512 * 1024
"""Maximal size of an example in bytes: it is embedded into every page."""


def card_of(catalogue: Catalogue, kind: str, name: str) -> Card | None:
    """Describe a component; None if no working plugin provides it."""
    registered = catalogue.provided(kind).get(name) if kind in KINDS else None
    if registered is None:
        return None
    cls: type[Component] = registered.value
    card: Card | None = None
    with catalogue.host.guard(registered.plugin, f"Describing '{name}'"):
        helps = {option.name: option.help for option in options_of(cls).values()}
        card = Card(two_sentences(cls.__doc__ or ""), cls.citation, cls.paper_url, cls.code_url, helps)
        if issubclass(cls, FewShotDataset):
            card = replace(card, domain=cls.domain, license=cls.license, example=_example(cls))
    return card


def two_sentences(doc: str) -> str:
    """Return the first two sentences of a docstring, on one line."""
    paragraphs = (" ".join(text.split()) for text in doc.strip().split("\n\n")[:2])
    return " ".join([sentence for text in paragraphs for sentence in SENTENCE.split(text)][:2])


def _example(cls: type[FewShotDataset]) -> Example | None:
    """Return the example of a data set with default options; None if it has none, or one that is too large."""
    example = cls().example()
    return example if example is not None and len(example.picture) <= MOST else None
