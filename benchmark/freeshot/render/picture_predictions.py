"""Predictions as rows of a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from freeshot.basics.text import counted
from freeshot.evaluation.picture_predictions import PicturePredictions, Prediction
from freeshot.render.csv_json import inert

Rows = list[tuple[str, ...]]

MOST_CLASSES = 12
"""Classes up to which confusions are a square table; more would be wider than a terminal."""
MOST_CONFUSIONS = 10


def table_rows(predictions: PicturePredictions) -> tuple[tuple[str, ...], Rows]:
    """Return heads and rows: picture, class, probability or score, and the true class where any is given."""
    heads: tuple[str, ...] = ("picture", "class", measure_head(predictions))
    rows: Rows = [(str(p.file), p.label, confidence_text(predictions, p)) for p in predictions]
    if predictions.judged:
        heads = (*heads, "true class")
        rows = [(*row, verdict(p)) for row, p in zip(rows, predictions, strict=True)]
    return heads, rows


def measure_head(predictions: PicturePredictions) -> str:
    """Return 'probability', or 'score (not calibrated)'."""
    return predictions.measure + " (not calibrated)" * (predictions.temperature is None)


def confidence_text(predictions: PicturePredictions, prediction: Prediction) -> str:
    """Format a probability in percent, and a score as a number."""
    value = prediction.confidence
    return f"{value:.3f}" if predictions.temperature is None else f"{100 * value:.1f} %"


def verdict(prediction: Prediction) -> str:
    """Return '✓ cat' or '✗ dog' with the true class, or '' if it is not given."""
    return f"{'✓' if prediction.correct else '✗'} {prediction.truth}" if prediction.truth is not None else ""


def accuracy_text(predictions: PicturePredictions) -> str:
    """Return the accuracy with its interval as sentences; '' if no true class is given."""
    accuracy, judged = predictions.accuracy, predictions.judged
    if accuracy is None:
        return ""
    text = (
        f"Accuracy: {100 * accuracy.mean:.1f} % ({sum(p.correct is True for p in judged)} of {len(judged)}; "
        f"{100 * accuracy.level:.0f} % interval {100 * accuracy.low:.1f} % to {100 * accuracy.high:.1f} %)."
    )
    rest = len(predictions) - len(judged)
    return text + f" Not counted: {counted(rest, 'image')} outside of folders named after a class." * bool(rest)


def confusion_rows(predictions: PicturePredictions) -> tuple[tuple[str, ...], Rows]:
    """Return heads and rows of true by predicted classes; of many classes, the most frequent confusions only."""
    counts, classes = predictions.confusion, predictions.classes
    if len(classes) <= MOST_CLASSES:
        rows: Rows = [(name, *map(str, row)) for name, row in zip(classes, counts.tolist(), strict=True) if sum(row)]
        return ("true \\ predicted", *classes), rows
    pairs = [(int(counts[t, p]), classes[t], classes[p]) for t, p in zip(*counts.nonzero(), strict=True) if t != p]
    pairs.sort(key=lambda pair: (-pair[0], *pair[1:]))
    return ("true class", "predicted class", "images"), [(t, p, str(n)) for n, t, p in pairs[:MOST_CONFUSIONS]]


def as_csv(predictions: PicturePredictions) -> str:
    """Write one line per image; texts that a spreadsheet would evaluate as formulas are escaped."""
    measure = predictions.measure
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    numbers = [f"{'p' if measure == 'probability' else measure}({name})" for name in predictions.classes]
    writer.writerow(["picture", "class", "true_class", measure, *numbers])
    for p in predictions:
        texts = map(inert, (str(p.file), p.label, p.truth))
        writer.writerow([*texts, *(f"{value:.6f}" for value in (p.confidence, *p.confidences.values()))])
    return out.getvalue()


def as_json(predictions: PicturePredictions) -> str:
    """Write an object: accuracy, confusions, calibration, skipped images and predictions."""
    accuracy, judged = predictions.accuracy, predictions.judged
    data = {
        "accuracy": accuracy
        and {
            "mean": accuracy.mean,
            "low": accuracy.low,
            "high": accuracy.high,
            "level": accuracy.level,
            "images": len(judged),
        },
        "classes": predictions.classes,
        "confusion": predictions.confusion.tolist() if judged else None,
        "temperature": predictions.temperature,
        "uncalibrated": predictions.uncalibrated,
        "skipped": predictions.skipped,
        "predictions": [_plain(p, predictions.measure) for p in predictions],
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _plain(prediction: Prediction, measure: str) -> dict[str, Any]:
    return {
        "picture": str(prediction.file),
        "class": prediction.label,
        "true_class": prediction.truth,
        measure: prediction.confidence,
        {"probability": "probabilities", "score": "scores"}[measure]: dict(prediction.confidences),
        "nearest": [{"picture": str(n.file), "class": n.label, "distance": n.distance} for n in prediction.nearest],
    }
