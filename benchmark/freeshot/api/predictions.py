"""Predictions for pictures that show themselves: a contact sheet in a notebook, a table elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.api.session import StrPath
from freeshot.basics.tables import pandas_frame
from freeshot.basics.text import counted
from freeshot.evaluation.picture_predictions import PicturePredictions
from freeshot.render.html.prediction_sheet import prediction_sheet
from freeshot.render.picture_predictions import accuracy_text
from freeshot.workflows.prediction_sheet import save_prediction_sheet, thumbnails_of

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 600
"""Of the contact sheet in a notebook, in pixels."""


@dataclass(frozen=True, repr=False)
class ShownPredictions(PicturePredictions):
    """Predictions for pictures, in their order, with accuracy and confusions where true classes are given."""

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per picture, with the columns of `freeshot predict --out FILE.csv`."""
        head = "p" if self.measure == "probability" else self.measure
        rows = [
            {"picture": str(p.file), "class": p.label, "true_class": p.truth, self.measure: p.confidence}
            | {f"{head}({name})": value for name, value in p.confidences.items()}
            for p in self
        ]
        return pandas_frame(rows)

    def save_sheet(self, file: StrPath) -> None:
        """Write the contact sheet as a self-contained HTML page."""
        save_prediction_sheet(self, Path(file))

    def __repr__(self) -> str:
        lines = [f"Predictions for {counted(len(self), 'picture')} of {len(self.classes)} classes"]
        return "\n".join(filter(None, [*lines, accuracy_text(self)]))

    def _repr_html_(self) -> str:
        page = escape(prediction_sheet(self, thumbnails_of(self), ()))
        return f'<iframe sandbox srcdoc="{page}" style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
