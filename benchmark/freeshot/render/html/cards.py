"""Cards of the components behind a board's rows and tracks: what each is, who it is from, where it can be read."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any

from freeshot.contracts.cards import Card
from freeshot.leaderboard.board import Board
from freeshot.render.format import one_line

ARXIV = re.compile(r"\b\d{4}\.\d{4,5}\b")


def cards_of(board: Board) -> dict[str, dict[str, Any]]:
    """Map 'kind name' to the card of each component that the board's records name."""
    named: set[tuple[str, str]] = set()
    for record in (record for row in board.all_rows for record in row.records):
        spec = record.spec
        named |= {("method", spec.method.name), ("dataset", spec.track.dataset), ("backbone", spec.backbone.name)}
        named |= {(part.kind, part.name) for part in spec.components.values()}
    return {one_line(f"{kind} {name}"): _plain(board.describe(kind, name)) for kind, name in sorted(named)}


def share_cards(boards: Sequence[dict[str, Any]]) -> None:
    """Remove the cards that an earlier board has as well; the script's `cardOf` (cards.js) finds them there."""
    first: dict[str, Any] = {}
    for cards in boards:
        for key, card in list(cards.items()):
            if key not in first:
                first[key] = card
            elif first[key] == card:
                del cards[key]


def _plain(card: Card | None) -> dict[str, Any]:
    if card is None:
        return {"summary": "Its plugin is not installed where this page was made, so its description is missing."}
    example = card.example
    return {
        "summary": one_line(card.summary).replace("`", "'"),
        "citation": one_line(card.citation),
        "paper": link(card.paper_url) or _arxiv(card.citation),
        "code": link(card.code_url),
        "helps": {name: one_line(text) for name, text in card.helps.items()},
        "domain": one_line(card.domain),
        "license": one_line(card.license),
        "example": {
            "classes": [one_line(name) for name in example.classes],
            "picture": f"data:image/png;base64,{base64.b64encode(example.picture).decode('ascii')}",
        }
        if example
        else None,
    }


def link(address: str) -> str:
    """Return an address that a page may link to; '' for other schemes, which could run code."""
    return address if re.fullmatch(r"https?://[^\s\"'<>]+", address) else ""


def _arxiv(citation: str) -> str:
    """Return the address of the first arXiv identifier in a citation; '' if there is none."""
    identifier = ARXIV.search(citation)
    return f"https://arxiv.org/abs/{identifier[0]}" if identifier else ""
