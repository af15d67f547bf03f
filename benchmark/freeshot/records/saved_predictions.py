"""The predictions that belong to a record: those beside its file, if they are of the same run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeshot.basics.errors import StoreError
from freeshot.basics.text import one_line
from freeshot.records.models import RunRecord
from freeshot.records.predictions import CellPredictions, stored_at


def saved_predictions(record: RunRecord, files: Sequence[Path]) -> CellPredictions | None:
    """Return the predictions beside one of a record's files; None if there are none.

    StoreError if they are damaged, or if they are of another run: other predictions than the record's accuracies.
    """
    path = next((path for path in map(stored_at, files) if path.exists()), None)
    if path is None:
        return None
    predictions = CellPredictions.read(path)
    if not _is_of(record, predictions):
        raise other_run(path)
    return predictions


def other_run(path: Path) -> StoreError:
    """Return the error of predictions that do not fit their record."""
    return StoreError(
        f"{one_line(str(path))} holds predictions of another run than its record. Run its cell again with --rerun and "
        "--save-predictions."
    )


def _is_of(record: RunRecord, predictions: CellPredictions) -> bool:
    track, count = record.spec.track, len(record.accuracies)
    return (
        predictions.cell == record.cell
        and predictions.labels.shape == (count, track.way * track.query)
        and predictions.classes.shape == (count, track.way)
        and predictions.episodes.tolist() == list(range(count))
        and bool(np.allclose(predictions.right.mean(axis=1), record.accuracies, rtol=0, atol=1e-6))
    )
