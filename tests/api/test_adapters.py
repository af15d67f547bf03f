"""Adapters are trained, saved, opened, evaluated and used from Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.pictures import noise_pictures
from torch import Tensor

import freeshot as fs
from freeshot.basics.errors import ContractError, OptionError, PoolError, StoreError

TRACK = "toy/in-domain/2w1s"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a recycled adapter and labelled pictures."""
    folder = tmp_path_factory.mktemp("adapters")
    recycled(folder).save(folder / "meta-lora")
    noise_pictures(folder / "support", classes=3, each=3)
    noise_pictures(folder / "query", classes=3, each=2)
    return folder


def recycled(folder: Path, **given: Any) -> fs.TrainedAdapter:
    return fs.recycle(**{"pool": "toy", "preset": "toy", "cache": folder / "cache", "progress": False, **given})


def test_a_recycled_adapter_is_saved_and_opened_again(folder: Path) -> None:
    adapter = recycled(folder)  # from the cache
    opened = fs.load_adapter(folder / "meta-lora")
    assert opened.facts == {**adapter.facts, "seconds": opened.facts["seconds"]}
    assert all(torch.equal(adapter.adapter.tensors[name], t) for name, t in opened.adapter.tensors.items())
    assert repr(opened) == "TrainedAdapter 'meta-lora': rank 4 on toy-vit"
    assert repr(adapter) == "TrainedAdapter 'recycled toy': rank 4 on toy-vit"


def test_a_pool_may_be_given_as_an_object(folder: Path) -> None:
    assert recycled(folder, pool=fs.load_pool("toy")).facts["pool_sha256"] == fs.load_pool("toy").sha256
    with pytest.raises(OptionError, match=r"'toy\+noise50' is a part or a variant of a pool"):
        recycled(folder, pool=fs.load_pool("toy+noise50"))


def test_options_reach_the_method(folder: Path) -> None:
    adapter = recycled(folder, options={"rank": 2})
    assert adapter.facts["method"]["options"]["rank"] == 2
    assert "rank 2 on toy-vit" in repr(adapter)


def test_the_choices_are_printed_with_their_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recycled(folder, progress=True)
    assert "Cost: about " in capsys.readouterr().out
    recycled(folder)
    assert capsys.readouterr() == ("", "")


def test_another_adapter_or_other_files_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    adapter = fs.load_adapter(folder / "meta-lora")
    with pytest.raises(StoreError, match="holds another adapter of the pool 'toy'"):
        recycled(folder, seed=1).save(folder / "meta-lora")
    with pytest.raises(StoreError, match="is not empty"):
        adapter.save(folder / "support")
    adapter.save(tmp_path / "new")
    assert adapter.save(tmp_path / "new") == tmp_path / "new"
    adapter.save(tmp_path, overwrite=True)
    assert fs.load_adapter(tmp_path).facts == adapter.facts


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="is not an adapter: it has neither"):
        fs.load_adapter(tmp_path)


def test_an_adapter_shows_how_it_was_made(folder: Path) -> None:
    html = fs.load_adapter(folder / "meta-lora")._repr_html_()
    assert "<caption>TrainedAdapter &#x27;meta-lora&#x27;: rank 4 on toy-vit</caption>" in html
    assert "<td>pool</td><td>toy</td>" in html


def test_pictures_are_classified_by_an_adapter_or_its_folder(folder: Path) -> None:
    by_folder, by_object, frozen = (
        fs.predict(adapter, folder / "support", folder / "query", backbone=backbone, progress=False)
        for adapter, backbone in (
            (folder / "meta-lora", None),
            (fs.load_adapter(folder / "meta-lora"), None),
            (None, "toy-vit"),
        )
    )
    assert by_folder == by_object
    assert len(by_folder) == len(frozen) == 6
    assert by_folder.accuracy is not None
    frame = by_folder.to_frame()
    assert frame["class"].tolist() == [prediction.label for prediction in by_folder]
    assert (frame["class"] == frame["true_class"]).mean() == pytest.approx(by_folder.accuracy.mean)
    assert re.fullmatch(r"Predictions for 6 pictures of 3 classes\nAccuracy: .*", repr(by_folder))


def test_predictions_are_displayed_as_a_contact_sheet(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "query").mkdir()
    hostile = tmp_path / "query" / "<script>.png"
    hostile.write_bytes(next((folder / "query").rglob("*.png")).read_bytes())
    predictions = fs.predict(folder / "meta-lora", folder / "support", tmp_path / "query", progress=False)
    html = predictions._repr_html_()
    assert html.startswith('<iframe sandbox srcdoc="&lt;!doctype html&gt;')
    assert "<script>" not in html
    assert html.count('"') == 4  # nothing ends the attribute early
    predictions.save_sheet(tmp_path / "sheet.html")
    assert "&lt;script&gt;.png" in (tmp_path / "sheet.html").read_text(encoding="utf-8")


def test_a_picture_that_cannot_be_read_is_a_warning(folder: Path, tmp_path: Path) -> None:
    noise_pictures(tmp_path / "query", classes=1, each=2)
    (tmp_path / "query" / "broken.png").write_bytes(b"no picture")
    with pytest.warns(fs.FreeshotWarning, match=r"Skipped: .*broken.png") as caught:
        assert len(fs.predict(folder / "meta-lora", folder / "support", tmp_path / "query", progress=False)) == 2
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


def mean_colour(images: Tensor) -> Tensor:
    """Return the mean colours [b, 3] of images [b, 3, h, w]."""
    assert images.dtype == torch.float32
    assert 0 <= images.min() <= images.max() <= 1
    return images.mean((2, 3))


@pytest.fixture
def evaluate(folder: Path, tmp_path: Path) -> Any:
    """Evaluate on one toy track, beside the records in the test's folder."""
    where = {"results": tmp_path / "results", "cache": folder / "cache", "progress": False}
    return lambda *target, **given: fs.evaluate(*target, **{"suite": "toy", "tracks": TRACK, **where, **given})


def test_an_embedding_is_evaluated_and_ranked_beside_the_records(evaluate: Any, folder: Path, tmp_path: Path) -> None:
    where: dict[str, Any] = {"results": tmp_path / "results", "cache": folder / "cache", "progress": False}
    fs.run("toy", tracks=TRACK, methods=["frozen-prototype", "lora-recycle"], **where)
    evaluation = evaluate(mean_colour)
    assert evaluation.standing is not None
    assert evaluation.standing.ranks == {TRACK: (3, 3)}
    frame = evaluation.to_frame()
    assert (frame["track"].tolist(), frame["rank"].tolist()) == ([TRACK], [3])
    assert frame["accuracy"].tolist() == [evaluation.mean]
    lines = repr(evaluation).splitlines()
    assert lines[0] == "mean_colour (embedding, fp32): accuracy in %, unsubmitted"
    assert re.fullmatch(rf"{TRACK}: \d+\.\d\d ± \d+\.\d\d, rank 3 of 3", lines[1])
    html = evaluation._repr_html_()
    assert "<caption>Among 2 rows of suite toy</caption>" in html
    assert "<td>mean_colour</td>" in html or "<td>mean_colour (unsubmitted)</td>" in html


def test_an_adapter_is_evaluated_as_its_method_was(evaluate: Any, folder: Path) -> None:
    by_folder, by_object = evaluate(folder / "meta-lora"), evaluate(fs.load_adapter(folder / "meta-lora"))
    assert by_folder.scores == by_object.scores
    assert (by_object.name, by_object.kind) == ("meta-lora", "adapter")
    assert "rank" not in repr(by_object)
    assert by_object.to_frame()["rank"].tolist() == [None]


def test_the_users_pictures_are_evaluated_with_the_gain(evaluate: Any, folder: Path) -> None:
    adapter = fs.load_adapter(folder / "meta-lora")
    evaluation = evaluate(adapter, suite=None, tracks=(), images=folder / "support", episodes=5)
    (score,) = evaluation.scores
    assert (score.way, score.shot, len(score.accuracies)) == (3, 1, 5)
    assert "Gain over the backbone alone on the same tasks: " in repr(evaluation)
    assert "Gain over the backbone alone" in evaluation._repr_html_()


def test_a_row_is_named_by_its_function_or_by_the_user(evaluate: Any) -> None:
    assert evaluate(lambda images: images.mean((2, 3))).name == "embedding"
    assert evaluate(mean_colour, name="mine").name == "mine"


def test_an_embedding_of_a_wrong_shape_is_refused(evaluate: Any) -> None:
    with pytest.raises(ContractError, match=r"must embed \[b, 3, h, w\] as \[b, d\], but gave"):
        evaluate(lambda images: images)
    with pytest.raises(OptionError, match="Nothing to evaluate on"):
        fs.evaluate(mean_colour)
