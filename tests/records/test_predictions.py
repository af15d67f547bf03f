"""Predictions of queries are saved on request, agree with the record, and are validated on reading."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from freeshot.basics.errors import StoreError
from freeshot.records.predictions import CellPredictions, stored_at
from freeshot.records.store import record_path

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.records.models import RunRecord

E, Q, C = 3, 4, 2


def made(**changed: Any) -> CellPredictions:
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "cell": "0123456789abcdef",
        "class_names": ("cat", "dög", "<b>"),
        "episodes": np.arange(E),
        "classes": np.array([[0, 1], [1, 2], [2, 0]], dtype=np.int32),
        "images": rng.integers(0, 100, (E, Q)),
        "labels": np.tile(np.array([0, 0, 1, 1], dtype=np.int16), (E, 1)),
        "predictions": rng.integers(0, C, (E, Q)).astype(np.int16),
        "log_probabilities": np.log(rng.dirichlet(np.ones(C), (E, Q))).astype(np.float16),
    }
    return CellPredictions(**fields | changed)


def saved(toy: Toy, method: str) -> tuple[RunRecord, CellPredictions]:
    record = toy.record(method, save_predictions=True)
    return record, CellPredictions.read(stored_at(record_path(toy.results, record.spec)))


@pytest.mark.parametrize("method", ["frozen-prototype", "full-finetuning"])
def test_saved_predictions_agree_with_the_record(toy: Toy, method: str) -> None:
    record, predictions = saved(toy, method)
    assert predictions.cell == record.cell
    assert predictions.right.mean(1).tolist() == record.accuracies
    own = np.take_along_axis(predictions.log_probabilities, predictions.labels[..., None].astype(int), 2)[..., 0]
    p = np.exp(own.astype(np.float64))
    assert np.allclose(np.log((1 - p) / p).mean(1), record.log_odds, atol=0.02)
    brier = (
        np.square(np.exp(predictions.log_probabilities.astype(float)) - np.eye(2)[predictions.labels]).sum(-1).mean()
    )
    assert record.quality is not None
    assert brier == pytest.approx(record.quality.brier, abs=1e-3)


def test_each_query_belongs_to_a_class_of_its_episode(toy: Toy) -> None:
    from freeshot.pipeline.context import RunContext

    record, predictions = saved(toy, "frozen-prototype")
    context: RunContext = toy.request().context(toy.catalogue)
    track = toy.catalogue.track(record.spec.track.name)
    images = context.images(track.dataset, track.split)
    labels = np.asarray(images.labels)[predictions.images]
    assert np.array_equal(np.take_along_axis(predictions.classes, predictions.labels.astype(int), 1), labels)
    assert predictions.class_names == tuple(images.classes)


def test_without_the_option_nothing_is_saved(toy: Toy) -> None:
    record = toy.record("frozen-prototype")
    assert not stored_at(record_path(toy.results, record.spec)).exists()


def test_predictions_do_not_change_the_cell(toy: Toy) -> None:
    (plain,), (saving,) = (toy.plan("noise", save_predictions=flag).cells for flag in (False, True))
    assert plain.spec.cell == saving.spec.cell


def test_a_cell_that_breaks_a_rule_leaves_no_predictions(toy: Toy) -> None:
    from tests.pipeline.cheats import HeadPrefersTheFirst, handing

    toy.offer(methods=[handing(HeadPrefersTheFirst)])
    record = toy.record("cheat", track="toy/in-domain/2w2s", suite=None, save_predictions=True)
    assert record.status == "violated"
    assert not list(toy.results.rglob("*.npz"))


def test_reading_inverts_writing(tmp_path: Path) -> None:
    written = made()
    written.write(tmp_path / "x.npz")
    read = CellPredictions.read(tmp_path / "x.npz")
    assert (read.cell, read.class_names) == (written.cell, written.class_names)
    for name in ("episodes", "classes", "images", "labels", "predictions", "log_probabilities"):
        assert np.array_equal(getattr(read, name), getattr(written, name)), name


def test_the_file_is_readable_with_numpy_alone(tmp_path: Path) -> None:
    made().write(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["log_probabilities"].shape == (E, Q, C)
        assert str(arrays["cell"]) == "0123456789abcdef"


def test_a_frame_has_a_row_per_query() -> None:
    pytest.importorskip("pandas")
    predictions = made()
    frame = predictions.to_frame()
    assert len(frame) == E * Q
    assert frame["right"].mean() == predictions.right.mean()
    second = frame.iloc[Q]  # the first query of the second episode
    assert (second["episode"], second["label"], second["image"]) == (1, "dög", predictions.images[1, 0])
    expected = np.exp(float(predictions.log_probabilities[1, 0, 0]))
    assert second["probability_of_label"] == pytest.approx(expected)
    assert (frame["probability"] >= 0).all()


def test_the_text_is_short() -> None:
    share = 100 * made().right.mean()
    assert repr(made()) == f"Predictions of 0123456789abcdef: 3 episodes × 4 queries, {share:.2f} % correct"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"labels": np.full((E, Q), C, dtype=np.int16)}, "'labels' has values outside of 0…1"),
        ({"predictions": np.full((E, Q), -1, dtype=np.int16)}, "'predictions' has values outside of 0…1"),
        ({"classes": np.full((E, C), 3, dtype=np.int32)}, "'classes' has values outside of 0…2"),
        ({"labels": np.zeros((E, Q), dtype=np.int64)}, "'labels' is int64 [3, 4], expected i2 [e, q]"),
        ({"images": np.zeros((E, Q + 1), dtype=np.int64)}, "'labels' is int16 [3, 4]"),
        ({"episodes": np.zeros((E, 1), dtype=np.int64)}, "'episodes' is int64 [3, 1], expected i8 [e]"),
        ({"log_probabilities": np.ones((E, Q, C), dtype=np.float16)}, "not logarithms of probabilities"),
        ({"log_probabilities": np.full((E, Q, C), np.nan, dtype=np.float16)}, "not logarithms of probabilities"),
        ({"class_names": (1, 2, 3)}, "'cell' and 'class_names' must be texts"),
    ],
)
def test_an_inconsistent_file_is_refused(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    made(**changed).write(tmp_path / "x.npz")
    with pytest.raises(StoreError, match=re.escape(reason)):
        CellPredictions.read(tmp_path / "x.npz")


def packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def huge() -> bytes:
    """Return an archive of 3 MiB of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("format.npy", bytes(3 * 2**20))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "File is not a zip file"),
        (b"PK\x03\x04 and no more", "File is not a zip file"),
        (packed(format=np.array(2)), "its format is 2, and this version of FreeShot reads 1"),
        (packed(cell=np.array("x")), "There is no item named 'format.npy' in the archive"),
        (packed(format=np.array([{}])), "Object arrays cannot be loaded when allow_pickle=False"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "x.npz"
    file.write_bytes(content)
    with pytest.raises(StoreError) as error:
        CellPredictions.read(file)
    assert str(error.value).startswith(f"{file} is not a file of predictions (")
    assert reason in str(error.value)
    assert str(error.value).endswith("Run its cell again with --rerun and --save-predictions.")


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freeshot.records import predictions

    monkeypatch.setattr(predictions, "LARGEST", 2**21)
    (tmp_path / "x.npz").write_bytes(huge())
    assert (tmp_path / "x.npz").stat().st_size < 2**14
    with pytest.raises(StoreError, match=r"it holds more than 2,097,152 bytes"):
        CellPredictions.read(tmp_path / "x.npz")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"No such file or directory"):
        CellPredictions.read(tmp_path / "x.npz")
