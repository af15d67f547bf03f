"""Episodes as a self-contained HTML page: support and query pictures by class, and what one or two rows predicted.

Labels and class names come from records and data sets of others, so that every text is escaped; a content security
policy allows only pictures inside the page, its own style sheet and its one small script.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from freeshot.basics.text import counted
from freeshot.leaderboard.episode_choice import ORDERS, Accuracies, Choice, tracks_of
from freeshot.render.format import one_line
from freeshot.render.html.page import asset, csp_hash

ORDER_TITLES = {"number": "number", "difference": "difference A − B", "difficulty": "difficulty, the hardest first"}


@dataclass(frozen=True)
class Answer:
    """What a row predicted for a query."""

    label: str
    probability: float
    """In 0…1."""
    right: bool


@dataclass(frozen=True)
class ShownQuery:
    """A query picture and the prediction of each row, None where it was not saved."""

    picture: bytes
    """WebP."""
    answers: tuple[Answer | None, ...]


@dataclass(frozen=True)
class ShownClass:
    """A class of an episode with its pictures."""

    name: str
    support: tuple[bytes, ...]
    """WebP each."""
    queries: tuple[ShownQuery, ...]


@dataclass(frozen=True)
class EpisodesPage:
    """Everything that a page shows."""

    choice: Choice
    accuracies: Accuracies
    """Of each row in each episode of the track, in 0…1 [r, e]."""
    listed: Sequence[int]
    """Numbers of the episodes in the strip, in order."""
    shown: dict[int, tuple[ShownClass, ...]]
    """Number of each episode shown → its classes; empty if its pictures are not available."""
    order: str
    source: str = ""
    """Data set and licence of the pictures; '' if there are none."""
    notes: tuple[str, ...] = ()
    """Sentences about what is missing."""
    unsaved: tuple[bool, ...] = ()
    """Whether each row has no saved predictions."""
    suites: tuple[str, ...] = ()
    """Suites to choose from; empty for a file, which has no controls."""

    @property
    def served(self) -> bool:
        """Whether the page has controls and shows an episode at a time."""
        return bool(self.suites)


def episodes_page(page: EpisodesPage) -> str:
    """Render a page."""
    parts = [
        "<header>",
        f"<h1>Episodes of {_text(page.choice.track)}</h1>",
        *([_suites(page), _form(page)] if page.served else []),
        *_rows(page),
        *(f'<p class="note">{_text(note)}</p>' for note in page.notes),
        *_legend(page),
        "</header>",
        _strip(page),
        "<main>",
        *(_episode(page, number) for number in page.shown),
        "</main>",
        *([f'<footer class="hint">{_text(page.source)}</footer>'] if page.source else []),
    ]
    return _document(f"Episodes of {page.choice.track}", parts, "'self'" if page.served else "'none'")


def error_page(sentence: str) -> str:
    """Render an error of one sentence, with a link to the start."""
    parts = ["<main><h1>Episodes</h1>", f'<p class="note">{_text(sentence)}</p>']
    return _document("Episodes", [*parts, '<p><a href="/episodes">Start again</a></p></main>'], "'none'")


def address(choice: Choice, order: str, number: int | None = None) -> str:
    """Return the address of an episode, or of the first, relative to the server's root."""
    rows = {letter: row.label for letter, row in zip("ab", choice.rows, strict=False)}
    query = {"suite": choice.board.suite, "track": choice.track, **rows, "order": order}
    return "/episodes?" + urlencode(query if number is None else query | {"episode": number})


def save_command(choice: Choice, methods: Iterable[str]) -> str:
    """Return the command that runs methods on the track again and saves their predictions."""
    chosen = [word for method in dict.fromkeys(methods) for word in ("--method", method)]
    words = ["freeshot", "run", choice.board.suite, "--track", choice.track, *chosen]
    return shlex.join([*filter(None, words), "--save-predictions", "--rerun"])


def _document(title: str, parts: Iterable[str], form_action: str) -> str:
    style, script = asset("episodes.css"), asset("episodes.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{csp_hash(style)}'; script-src '{csp_hash(script)}'; "
        f"base-uri 'none'; form-action {form_action}"
    )
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title>",
        '<link rel="icon" href="data:,">',
        f"<style>{style}</style>",
    )
    return "\n".join(("<!doctype html>", '<html lang="en">', *head, *parts, f"<script>{script}</script>", "</html>\n"))


def _suites(page: EpisodesPage) -> str:
    own = page.choice.board.suite
    links = "".join(
        f'<a href="{_text("/episodes?" + urlencode({"suite": suite}))}"{_current(suite == own)}>{_text(suite)}</a>'
        for suite in page.suites
    )
    return f'<nav class="suites" aria-label="Suites"><a href="/">Leaderboard</a>{links}</nav>'


def _form(page: EpisodesPage) -> str:
    choice = page.choice
    rows = [(row.label, row.short_label) for row in choice.candidates]
    fields = [_select("track", "Track", [(name, name) for name in tracks_of(choice.board)], choice.track)]
    for letter, row in zip("ab", choice.rows, strict=False):
        fields.append(_select(letter, f"Row {letter.upper()}", rows, row.label))
    fields.append(_select("order", "Sort by", [(name, ORDER_TITLES[name]) for name in ORDERS], page.order))
    hidden = f'<input type="hidden" name="suite" value="{_text(choice.board.suite)}">'
    return f'<form action="/episodes">{hidden}{"".join(fields)}<button>Show</button></form>'


def _select(name: str, title: str, options: Iterable[tuple[str, str]], chosen: str) -> str:
    lines = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{_text(text)}</option>'
        for value, text in options
    )
    return f'<label>{title} <select name="{name}">{lines}</select></label>'


def _rows(page: EpisodesPage) -> Iterable[str]:
    means = page.accuracies.mean(axis=1)
    for letter, row, mean in zip("AB", page.choice.rows, means, strict=False):
        count = counted(page.accuracies.shape[1], "episode")
        yield f"<p><strong>{letter}</strong> {_text(row.label)}: {100 * mean:.2f} % over {count}</p>"


def _legend(page: EpisodesPage) -> Iterable[str]:
    missing = {
        letter: row.method
        for letter, row, unsaved in zip("AB", page.choice.rows, page.unsaved, strict=False)
        if unsaved
    }
    total = page.accuracies.shape[1]
    if len(page.listed) < total:
        yield f"<p>Shown are {len(page.listed)} of {total:,} episodes: the hardest, the median and the easiest.</p>"
    if missing:
        yield (
            f'<p class="note">No predictions of {" and ".join(missing)} are saved, so only accuracies are shown. Save '
            f"them with <code>{_text(save_command(page.choice, missing.values()))}</code>.</p>"
        )
    if len(missing) < len(page.choice.rows):
        yield (
            '<p class="hint">✓ right, ✗ wrong with the predicted class; the number is the probability of the '
            "prediction. A thick frame marks queries on which the rows differ.</p>"
        )
    yield '<p class="hint">Keys ← and → move between episodes.</p>'


def _strip(page: EpisodesPage) -> str:
    items = "".join(f"<li>{_strip_link(page, number)}</li>" for number in page.listed)
    return f'<nav class="strip" aria-label="Episodes" tabindex="0"><ol>{items}</ol></nav>'


def _strip_link(page: EpisodesPage, number: int) -> str:
    own = page.accuracies[:, number]
    value, kind = _gain(own) if len(own) > 1 else (f"{100 * own[0]:.1f}", "")
    current = _current(page.served and number in page.shown)
    return (
        f'<a href="{_link(page, number)}" title="{_accuracies(own)}"{current}>{number} '
        f'<span class="{kind}">{value}</span></a>'
    )


def _episode(page: EpisodesPage, number: int) -> str:
    own = page.accuracies[:, number]
    at = page.listed.index(number)
    steps = (("prev", "← previous", at - 1), ("next", "next →", at + 1))
    links = "".join(
        f'<a rel="{rel}" href="{_link(page, page.listed[to])}">{text}</a>'
        for rel, text, to in steps
        if 0 <= to < len(page.listed)
    )
    difference = f" · A − B {_gain(own)[0]} points" if len(own) > 1 else ""
    classes = "".join(_class(shown) for shown in page.shown[number])
    return (
        f'<article id="episode-{number}"><h2>Episode {number}</h2>'
        f'<p>{_accuracies(own)}{difference} <span class="steps">{links}</span></p>{classes}</article>'
    )


def _class(shown: ShownClass) -> str:
    name = _text(shown.name)
    support = "".join(
        f'<figure class="support"><img src="{_data(picture)}" alt="{name}, support {n}">'
        "<figcaption>support</figcaption></figure>"
        for n, picture in enumerate(shown.support, 1)
    )
    queries = "".join(_query(query, f"{name}, query {n}") for n, query in enumerate(shown.queries, 1))
    return f'<section><h3>{name}</h3><div class="pictures">{support}{queries}</div></section>'


def _query(query: ShownQuery, alt: str) -> str:
    lines = "".join(_answer(letter, answer) for letter, answer in zip("AB", query.answers, strict=False) if answer)
    differ = len({answer.label for answer in query.answers if answer}) > 1
    return (
        f'<figure{" class=differ" if differ else ""}><img src="{_data(query.picture)}" alt="{alt}">'
        f"<figcaption>{lines}</figcaption></figure>"
    )


def _answer(letter: str, answer: Answer) -> str:
    kind, mark = ("good", "✓") if answer.right else ("bad", f"✗ {_text(answer.label)}")
    return f'<span class="{kind}">{letter} {mark} {100 * answer.probability:.0f}\N{NO-BREAK SPACE}%</span>'


def _link(page: EpisodesPage, number: int) -> str:
    return _text(address(page.choice, page.order, number)) if page.served else f"#episode-{number}"


def _accuracies(own: Accuracies) -> str:
    return " · ".join(f"{letter} {100 * value:.1f} %" for letter, value in zip("AB", own, strict=False))


def _gain(own: Accuracies) -> tuple[str, str]:
    """Return A − B in points as text, and its style class."""
    points = round(100 * float(own[0] - own[-1]), 1)
    return f"{points:+.1f}".replace("-", "−") if points else "0.0", "good" if points > 0 else "bad" if points else ""


def _current(is_current: bool) -> str:  # noqa: FBT001
    return ' aria-current="true"' if is_current else ""


def _data(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode('ascii')}"


def _text(text: object) -> str:
    return escape(one_line(str(text)))
