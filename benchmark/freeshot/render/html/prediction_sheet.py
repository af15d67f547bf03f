"""A contact sheet of predictions: one self-contained HTML page without script, light and dark.

File and class names come from users, so that every text is escaped; a content security policy allows only pictures
inside the page and its own style sheet.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from freeshot.basics.text import counted
from freeshot.evaluation.picture_predictions import Neighbour, PicturePredictions, Prediction
from freeshot.render.format import one_line
from freeshot.render.html.page import asset, csp_hash
from freeshot.render.picture_predictions import accuracy_text, confidence_text, confusion_rows, measure_head

MOST = 2000
"""Queries on a page, about 8 MB; of more, the wrong ones come first."""


def shown_on_sheet(predictions: PicturePredictions) -> tuple[Prediction, ...]:
    """Return the predictions that a page shows: all in their order, or the first `MOST`, wrong ones first."""
    if len(predictions) <= MOST:
        return predictions.predictions
    return tuple(sorted(predictions, key=lambda p: p.correct is not False)[:MOST])


def prediction_sheet(predictions: PicturePredictions, thumbnails: Mapping[Path, bytes], settings: Sequence[str]) -> str:
    """Write the page; `thumbnails` holds a WebP of each query and support image shown, `settings` are lines of text."""
    shown = shown_on_sheet(predictions)
    near = {neighbour.file: neighbour for p in shown for neighbour in p.nearest}
    symbols = {file: f"support-{number}" for number, file in enumerate(near)}
    style = asset("prediction_sheet.css")
    parts = [
        "<h1>Predictions</h1>",
        *(f"<p>{_text(line)}</p>" for line in _facts(predictions, len(shown), settings)),
        *_skipped(predictions.skipped),
        *_confusion(predictions),
        *_filter(shown),
        '<main class="cards">',
        *(_card(predictions, p, thumbnails, symbols) for p in shown),
        "</main>",
        '<svg class="symbols" aria-hidden="true">',
        *(_symbol(name, thumbnails[file]) for file, name in symbols.items()),
        "</svg>",
    ]
    policy = f"default-src 'none'; img-src data:; style-src '{csp_hash(style)}'"
    head = (
        '<meta charset="utf-8">',
        "<title>Predictions</title>",
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{style}</style>",
    )
    return "\n".join(("<!doctype html>", '<html lang="en">', *head, *parts, "</html>", ""))


def _facts(predictions: PicturePredictions, shown: int, settings: Sequence[str]) -> Iterable[str]:
    yield from settings
    if text := accuracy_text(predictions):
        yield text
    if predictions.temperature is None:
        yield f"The scores are not calibrated, because {predictions.uncalibrated}: they are not probabilities."
    else:
        yield f"Probabilities are calibrated on the support images (temperature {predictions.temperature:.3g})."
    if shown < len(predictions):
        yield f"Shown are {shown:,} of {len(predictions):,} images, wrong ones first."


def _skipped(sentences: Sequence[str]) -> Iterable[str]:
    if sentences:
        items = "".join(f"<li>{_text(text)}</li>" for text in sentences)
        count = counted(len(sentences), "image")
        yield f"<details><summary>{count} skipped</summary><ul>{items}</ul></details>"


def _confusion(predictions: PicturePredictions) -> Iterable[str]:
    if predictions.judged:
        heads, rows = confusion_rows(predictions)
        head = "".join(f'<th scope="col">{_text(text)}</th>' for text in heads)
        lines = (
            f'<tr><th scope="row">{_text(row[0])}</th>{"".join(f"<td>{_text(text)}</td>" for text in row[1:])}</tr>'
            for row in rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        yield f'<details open><summary>Confusions</summary><div class="scroll">{table}</div></details>'


def _filter(shown: Sequence[Prediction]) -> Iterable[str]:
    """Write radio buttons by which the style sheet hides cards, if there are right and wrong ones."""
    right, wrong = (sum(p.correct is kind for p in shown) for kind in (True, False))
    if right and wrong:
        choices = (("all", "all", len(shown)), ("wrong", "✗ wrong", wrong), ("right", "✓ right", right))
        yield '<fieldset class="filter"><legend>Show</legend>'
        for name, title, count in choices:
            checked = " checked" if name == "all" else ""
            button = f'<input type="radio" name="show" id="show-{name}"{checked}>'
            yield f"<label>{button} {title} ({count:,})</label>"
        yield "</fieldset>"


def _card(
    predictions: PicturePredictions,
    prediction: Prediction,
    thumbnails: Mapping[Path, bytes],
    symbols: Mapping[Path, str],
) -> str:
    kind = {None: "open", True: "right", False: "wrong"}[prediction.correct]
    mark = {None: "", True: "✓ right", False: f"✗ wrong, true class {prediction.truth}"}[prediction.correct]
    measure = predictions.measure
    near = "".join(_near(neighbour, symbols[neighbour.file]) for neighbour in prediction.nearest)
    return (
        f'<article class="{kind}"><img src="{_data(thumbnails[prediction.file])}" alt="{_text(prediction.file)}">'
        f"<h2>{_text(prediction.label)}</h2>"
        f'<p title="{measure_head(predictions)}">{measure} {confidence_text(predictions, prediction)}</p>'
        + (f'<p class="mark">{_text(mark)}</p>' if mark else "")
        + f'<p class="file">{_text(prediction.file)}</p><ul aria-label="Nearest support images">{near}</ul></article>'
    )


def _near(neighbour: Neighbour, symbol: str) -> str:
    title = f"{neighbour.label}: {neighbour.file}, distance {neighbour.distance:.3g}"
    picture = f'<svg role="img" aria-label="{_text(title)}"><title>{_text(title)}</title><use href="#{symbol}"/></svg>'
    return f"<li>{picture}{_text(neighbour.label)}</li>"


def _symbol(name: str, picture: bytes) -> str:
    """Write a support image once, for all cards that show it."""
    return f'<symbol id="{name}" viewBox="0 0 1 1"><image href="{_data(picture)}" width="1" height="1"/></symbol>'


def _data(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode('ascii')}"


def _text(text: object) -> str:
    return escape(one_line(str(text)))
