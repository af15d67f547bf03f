"""Predictions as a table, as files and as a contact sheet, for any names of files and classes."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.leaderboard.browser import chromium, open_browser

from freeshot.evaluation.picture_predictions import Neighbour, PicturePredictions, Prediction
from freeshot.render.html import prediction_sheet as sheets
from freeshot.render.html.prediction_sheet import prediction_sheet, shown_on_sheet
from freeshot.render.picture_predictions import accuracy_text, as_csv, as_json, confusion_rows, table_rows
from freeshot.workflows.prediction_sheet import save_prediction_sheet

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "\"'&quot;",
    "=1+1",
    "a\nb",
    "\u202e gnp",
)


def predicted(
    pairs: list[tuple[str, str | None]], classes: tuple[str, ...], temperature: float | None = 2.0
) -> PicturePredictions:
    """Return predictions 'label, truth' for the images 0.png, 1.png, …, each with a nearest image of that class."""
    shares = dict.fromkeys(classes, 1 / len(classes))
    return PicturePredictions(
        tuple(
            Prediction(Path(f"{i}.png"), label, shares, (Neighbour(Path(f"near/{label}.png"), label, 0.5),), truth)
            for i, (label, truth) in enumerate(pairs)
        ),
        classes,
        temperature,
        "" if temperature else "no class has two support images",
        ("x.png cannot be read as a picture (it is empty). Remove or replace it.",),
    )


def sheet(predictions: PicturePredictions) -> str:
    files = {p.file for p in predictions} | {near.file for p in predictions for near in p.nearest}
    return prediction_sheet(predictions, {file: str(file).encode() for file in files}, ("Backbone: x.",))


def test_of_many_classes_the_most_frequent_confusions_are_listed() -> None:
    classes = tuple(f"c{number:02d}" for number in range(13))
    pairs = [("c01", "c00")] * 2 + [("c02", "c00")] * 3 + [("c00", "c00")] * 9
    heads, rows = confusion_rows(predicted([*pairs], classes))
    assert heads == ("true class", "predicted class", "images")
    assert rows == [("c00", "c02", "3"), ("c00", "c01", "2")]


def test_of_few_classes_all_confusions_are_a_table() -> None:
    heads, rows = confusion_rows(predicted([("b", "a"), ("a", "a"), ("c", None)], ("a", "b", "c")))
    assert heads == ("true \\ predicted", "a", "b", "c")
    assert rows == [("a", "1", "1", "0")]


def test_the_accuracy_has_an_interval_and_its_counts() -> None:
    predictions = predicted([("a", "a"), ("a", "b"), ("b", None)], ("a", "b"))
    assert accuracy_text(predictions) == (
        "Accuracy: 50.0 % (1 of 2; 95 % interval 1.3 % to 98.7 %). Not counted: 1 image outside of folders named after "
        "a class."
    )
    assert not accuracy_text(predicted([("a", None)], ("a", "b")))


@pytest.mark.parametrize(
    ("temperature", "head", "text"), [(2.0, "probability", "50.0 %"), (None, "score (not calibrated)", "0.500")]
)
def test_only_a_probability_is_a_percentage(temperature: float | None, head: str, text: str) -> None:
    heads, rows = table_rows(predicted([("a", None)], ("a", "b"), temperature))
    assert (heads[2], rows[0][2]) == (head, text)


@pytest.mark.parametrize("name", HOSTILE)
def test_files_can_be_read_again_for_any_name_of_a_class(name: str) -> None:
    predictions = predicted([(name, name)], (name, "b"))
    (row,) = csv.DictReader(io.StringIO(as_csv(predictions)))
    assert row["class"] == row["true_class"] == ("'=1+1" if name == "=1+1" else name)
    (prediction,) = json.loads(as_json(predictions))["predictions"]
    assert (prediction["class"], prediction["probabilities"][name]) == (name, 0.5)


class Elements(HTMLParser):
    """Collects the elements and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_the_sheet(name: str) -> None:
    plain, hostile = (Elements(sheet(predicted([(n, n), (n, "b")], (n, "b")))) for n in ("a", name))
    assert hostile.tags == plain.tags
    assert [key for key, _ in hostile.attributes] == [key for key, _ in plain.attributes]
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    assert shown in hostile.texts


def test_the_sheet_loads_nothing_and_runs_nothing() -> None:
    page = Elements(sheet(predicted([("a", "a")], ("a", "b"))))
    assert not {"script", "link", "iframe"} & set(page.tags)
    targets = [value or "" for key, value in page.attributes if key in ("src", "href")]
    assert targets
    assert all(target.startswith(("data:image/webp;base64,", "#")) for target in targets)
    assert not [key for key, _ in page.attributes if key.startswith("on")]


def test_right_and_wrong_are_words_and_marks() -> None:
    texts = Elements(sheet(predicted([("a", "a"), ("a", "b"), ("a", None)], ("a", "b")))).texts
    assert "✓ right" in texts
    assert "✗ wrong, true class b" in texts
    assert [text for text in texts if text in (" all (3)", " ✗ wrong (1)", " ✓ right (1)")]


def test_a_support_image_is_on_the_sheet_once() -> None:
    page = sheet(predicted([("a", "a")] * 5, ("a", "b")))
    assert (page.count("<symbol"), page.count("<use")) == (1, 5)


def test_the_sheet_names_skipped_images_and_the_reason_for_scores() -> None:
    texts = " ".join(Elements(sheet(predicted([("a", None)], ("a", "b"), None))).texts)
    assert "1 image skipped" in texts
    assert "x.png cannot be read as a picture (it is empty)." in texts
    assert "not calibrated, because no class has two support images" in texts


def test_of_too_many_images_the_wrong_predictions_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST", 2)
    predictions = predicted([("a", "a"), ("a", None), ("a", "b")], ("a", "b"))
    assert [str(p.file) for p in shown_on_sheet(predictions)] == ["2.png", "0.png"]
    assert "Shown are 2 of 3 images, wrong ones first." in sheet(predictions)


def test_the_sheet_works_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = chromium()
    if executable is None:
        pytest.skip("There is no Chromium; install it (Debian: apt-get install chromium) to test the sheet.")
    monkeypatch.chdir(tmp_path)
    predictions = predicted([(HOSTILE[0], HOSTILE[0]), (HOSTILE[0], "b" * 300)], (HOSTILE[0], "b" * 300))
    for number in range(2):
        Image.fromarray(np.full((40, 90, 3), 99, np.uint8)).save(f"{number}.png")
    near = predictions.predictions[0].nearest[0].file
    near.parent.mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(near)
    save_prediction_sheet(predictions, tmp_path / "sheet.html")
    with open_browser(executable) as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.goto((tmp_path / "sheet.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("[...document.images].map(i => i.naturalWidth)") == [90, 90]
        page.check("#show-wrong")
        assert page.eval_on_selector_all("article", "all => all.map(a => a.checkVisibility())") == [False, True]
    assert messages == []
