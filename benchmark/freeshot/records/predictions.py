"""Predictions of a cell's queries: an .npz file beside the record, for the analysis of errors.

The file is not part of the record and enters no hash. Its arrays have the names, types and shapes of the fields of
`CellPredictions`; numpy reads it without pickle.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from freeshot.basics.errors import StoreError
from freeshot.basics.files import atomic_path, require_bounded
from freeshot.basics.tables import pandas_frame
from freeshot.basics.text import one_line

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
LARGEST = 2**31
"""Maximal size of a file in bytes, compressed and not."""
SHAPES = {
    "episodes": ("i8", "e"),
    "classes": ("i4", "ec"),
    "images": ("i8", "eq"),
    "labels": ("i2", "eq"),
    "predictions": ("i2", "eq"),
    "log_probabilities": ("f2", "eqc"),
}
"""Array → type and axes."""


@dataclass(frozen=True, eq=False)
class CellPredictions:
    """The predictions of one cell.

    Axes: e episodes, q queries of an episode, c classes of an episode (the way). Labels and predictions are integers
    0…c−1, positions in the episode's classes.
    """

    cell: str
    """Hash of the cell, as in its record."""
    class_names: tuple[str, ...]
    """Names of all classes of the track's split."""
    episodes: NDArray[np.int64]
    """Numbers of the episodes within the track [e]."""
    classes: NDArray[np.int32]
    """Classes of each episode, as indices of `class_names` [e, c]."""
    images: NDArray[np.int64]
    """Query images, as indices into the track's split [e, q]."""
    labels: NDArray[np.int16]
    """True classes [e, q]."""
    predictions: NDArray[np.int16]
    """Predicted classes [e, q]."""
    log_probabilities: NDArray[np.float16]
    """Log-softmax of the learner's scores [e, q, c]; for one that embeds, of the negative distances to class means."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each query was classified correctly [e, q]."""
        right: NDArray[np.bool_] = self.labels == self.predictions
        return right

    def names(self, positions: NDArray[np.int16]) -> NDArray[np.str_]:
        """Return the class names [e, q] of labels or predictions [e, q]."""
        names: NDArray[np.str_] = np.array(self.class_names)[np.take_along_axis(self.classes, positions.astype(int), 1)]
        return names

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per query."""
        count = self.labels.shape[1]
        own = (np.take_along_axis(self.log_probabilities, at[..., None].astype(int), 2) for at in self._both)
        probability, of_label = (np.exp(part[..., 0].astype(np.float64)).ravel() for part in own)
        return pandas_frame(
            {
                "episode": np.repeat(self.episodes, count),
                "image": self.images.ravel(),
                "label": self.names(self.labels).ravel(),
                "prediction": self.names(self.predictions).ravel(),
                "right": self.right.ravel(),
                "probability": probability,
                "probability_of_label": of_label,
            }
        )

    @property
    def _both(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        return self.predictions, self.labels

    def __repr__(self) -> str:
        e, q = self.labels.shape
        return f"Predictions of {self.cell}: {e} episodes × {q} queries, {100 * self.right.mean():.2f} % correct"

    def write(self, path: Path) -> None:
        """Write the file atomically; StoreError if the folder cannot be written or the disk is full."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ("cell", "class_names", *SHAPES)}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, format=FORMAT, **arrays)

    @classmethod
    def read(cls, path: Path) -> CellPredictions:
        """Read and validate a file; StoreError states what is wrong with it."""
        try:
            require_bounded(path, LARGEST)
            with zipfile.ZipFile(path) as file:
                return cls(**_fields(file))
        # zipfile, zlib and numpy's reader of headers raise a dozen kinds of exceptions for damaged files
        except Exception as error:  # noqa: BLE001
            reason = one_line(f"{error}" or type(error).__name__)[:200]
            raise StoreError(
                f"{one_line(str(path))} is not a file of predictions ({reason}). Run its cell again with --rerun and "
                "--save-predictions."
            ) from None


def _fields(file: zipfile.ZipFile) -> dict[str, Any]:
    """Read and check all arrays; any exception means that the file is not valid."""
    if sum(info.file_size for info in file.infolist()) > LARGEST:
        raise ValueError(f"it holds more than {LARGEST:,} bytes")
    if (version := int(_array(file, "format"))) != FORMAT:
        raise ValueError(f"its format is {version}, and this version of FreeShot reads {FORMAT}")
    arrays = {name: _array(file, name) for name in SHAPES}
    lengths: dict[str, int] = {}
    for name, (kind, axes) in SHAPES.items():
        array = arrays[name]
        shape = [lengths.setdefault(axis, length) for axis, length in zip(axes, array.shape, strict=False)]
        if array.dtype != np.dtype(f"<{kind}") or list(array.shape) != shape or array.ndim != len(axes):
            raise ValueError(f"'{name}' is {array.dtype} {list(array.shape)}, expected {kind} [{', '.join(axes)}]")
    cell, names = _array(file, "cell"), _array(file, "class_names")
    if cell.dtype.kind != "U" or names.dtype.kind != "U" or names.ndim != 1:
        raise ValueError("'cell' and 'class_names' must be texts")
    within = {"labels": lengths["c"], "predictions": lengths["c"], "classes": len(names)}
    for name, count in within.items():
        if not ((arrays[name] >= 0) & (arrays[name] < count)).all():
            raise ValueError(f"'{name}' has values outside of 0…{count - 1}")
    if not (arrays["log_probabilities"] <= 0).all():  # False for NaN
        raise ValueError("'log_probabilities' has values that are not logarithms of probabilities")
    return {"cell": str(cell), "class_names": tuple(names.tolist()), **arrays}


def _array(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(file.read(f"{name}.npy")), allow_pickle=False)
    return array


def stored_at(record: Path) -> Path:
    """Return the path of the predictions that belong to a record's file."""
    return record.with_suffix(".npz")
