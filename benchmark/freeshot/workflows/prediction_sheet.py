"""Write a contact sheet of predictions with small copies of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freeshot.basics.files import write_text
from freeshot.data.decode import thumbnail
from freeshot.evaluation.picture_predictions import PicturePredictions
from freeshot.render.html.prediction_sheet import prediction_sheet, shown_on_sheet

QUERY, SUPPORT = 192, 96
"""Largest side of a thumbnail in pixels."""


def save_prediction_sheet(predictions: PicturePredictions, path: Path, settings: Sequence[str] = ()) -> None:
    """Write the sheet; `settings` are lines for its head. DataError if an image was removed meanwhile."""
    write_text(path, prediction_sheet(predictions, thumbnails_of(predictions), settings))


def thumbnails_of(predictions: PicturePredictions) -> dict[Path, bytes]:
    """Return a small WebP of each query and support image that the sheet shows."""
    shown = shown_on_sheet(predictions)
    sides = {neighbour.file: SUPPORT for p in shown for neighbour in p.nearest} | {p.file: QUERY for p in shown}
    return {file: thumbnail(file, side) for file, side in sides.items()}
