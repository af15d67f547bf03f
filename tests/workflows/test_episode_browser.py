"""Episodes are shown with their pictures and saved predictions, and refused for other images or other runs."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import TOY_TRACK, Toy

from freeshot.basics.errors import DataError, FreeshotError, StoreError, UnknownNameError
from freeshot.evaluation.episodes import track_episodes
from freeshot.leaderboard import Extensions
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.records.models import RunRecord
from freeshot.records.predictions import CellPredictions, stored_at
from freeshot.testing.toy import TRACKS, ToyImages, ToyWaves
from freeshot.workflows.episode_browser import SIDE, EpisodeBrowser, open_results

A, B = "frozen-prototype", "lora-average"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toy = Toy(tmp_path_factory.mktemp("ran"), Catalogue(load_plugins()))
    toy.launch(A, B, save_predictions=True)
    return toy.results


@pytest.fixture
def results(ran: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ran, tmp_path / "results"))


def page(toy: Toy, results: Path, **query: str) -> str:
    browser = EpisodeBrowser(toy.catalogue, toy.folder / "data")
    return browser.page(open_results(results, Extensions()), {"a": A, "b": B} | query)


def export(toy: Toy, results: Path, count: int = 3, track: str | None = None) -> tuple[str, tuple[str, ...]]:
    path = toy.folder / "episodes.html"
    browser = EpisodeBrowser(toy.catalogue, toy.folder / "data")
    notes = browser.export(open_results(results, Extensions()), path, "toy", track, (A, B), count)
    return path.read_text(encoding="utf-8"), notes


def record_of(results: Path, method: str) -> Path:
    (path,) = results.rglob(f"{method}-*.json")
    return path


def notes_of(text: str) -> list[str]:
    return [unescape(re.sub("<.*?>", "", note)) for note in re.findall(r'<p class="note">(.*?)</p>', text)]


def figures(text: str) -> list[tuple[str, list[str]]]:
    """List the alternative text and the captions of each picture."""
    matches = re.findall(r"<figure.*?alt=\"(.*?)\".*?<figcaption>(.*?)</figcaption>", text)
    return [(unescape(alt), re.findall(r"<span class=\"\w+\">(.*?)</span>", caption)) for alt, caption in matches]


def test_an_episode_shows_its_pictures_and_predictions(toy: Toy, results: Path) -> None:
    images = ToyWaves().load("novel", Path())
    episode = track_episodes(TRACKS[0], images)[7]
    predictions = [CellPredictions.read(stored_at(record_of(results, method))) for method in (A, B)]
    expected: list[tuple[str, list[str]]] = []
    for position, label in enumerate(episode.classes):
        name = images.classes[label]
        expected.append((f"{name}, support 1", []))
        for n in range(3):
            captions = []
            for letter, saved in zip("AB", predictions, strict=True):
                row, query = 7, 3 * position + n
                guess = int(saved.predictions[row, query])
                share = f"{100 * np.exp(float(saved.log_probabilities[row, query, guess])):.0f}\N{NO-BREAK SPACE}%"
                wrong = images.classes[episode.classes[guess]]
                captions.append(f"{letter} {'✓' if guess == position else '✗ ' + wrong} {share}")
            expected.append((f"{name}, query {n + 1}", captions))
    text = page(toy, results, episode="7")
    assert figures(text) == expected
    by_class = zip(episode.support, np.reshape(episode.query, (2, 3)).tolist(), strict=True)
    order = [index for support, queries in by_class for index in (support, *queries)]
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/webp;base64,([^\"]+)", text)]
    for index, picture in zip(order, pictures, strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), dtype=float)
        own = images.cells[index].transpose(1, 2, 0).astype(float)
        errors = [np.abs(pixels - other.transpose(1, 2, 0)).mean() for other in images.cells[[index, (index + 1) % 60]]]
        assert pixels.shape == own.shape
        assert errors[0] < 25
        assert errors[0] < errors[1]


def test_the_strip_links_every_episode_in_order(toy: Toy, results: Path) -> None:
    records = [RunRecord.read(record_of(results, method)) for method in (A, B)]
    gain = np.subtract(records[0].accuracies, records[1].accuracies)
    text = page(toy, results, order="difference")
    links = [unescape(link) for link in re.findall(r'<li><a href="(.*?)"', text)]
    assert [int(link.rpartition("episode=")[2]) for link in links] == np.argsort(-gain.round(9), kind="stable").tolist()
    assert links[0].startswith(
        f"/episodes?suite=toy&track={TOY_TRACK.replace('/', '%2F')}&a={A}&b={B}&order=difference"
    )
    assert text.count("<article") == 1


def test_without_predictions_accuracies_and_the_command_that_saves_predictions_are_shown(
    toy: Toy, results: Path
) -> None:
    stored_at(record_of(results, B)).unlink()
    text = page(toy, results)
    (sentence,) = notes_of(text)
    assert sentence.startswith("No predictions of B are saved, so only accuracies are shown.")
    command = f"freeshot run toy --track {TOY_TRACK} --method {B} --save-predictions --rerun"
    assert sentence.endswith(f"Save them with {command}.")
    assert {caption[0] for _, captions in figures(text) for caption in captions} == {"A"}


def test_predictions_of_another_record_or_a_damaged_file_are_reported(toy: Toy, results: Path) -> None:
    files = [stored_at(record_of(results, method)) for method in (A, B)]
    shutil.copy(files[0], files[1])
    files[0].write_bytes(b"PK")
    for sentences in (notes_of(page(toy, results)), list(export(toy, results)[1])):
        damaged, other = sentences
        assert damaged.startswith(f"{files[0]} is not a file of predictions (")
        assert other.startswith(f"{files[1]} holds predictions of another run than its record. Run its cell again")


def test_predictions_of_other_images_are_not_shown(toy: Toy, results: Path) -> None:
    file = stored_at(record_of(results, A))
    saved = CellPredictions.read(file)
    replace(saved, images=saved.images + 1).write(file)
    (sentence,) = notes_of(page(toy, results))
    assert sentence.startswith(f"{file} holds predictions of another run")


@dataclass(frozen=True, eq=False)
class Altered(ToyImages):
    @property
    def sha256(self) -> str:
        return "altered"


def test_other_images_than_those_of_the_records_are_refused(
    toy: Toy, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyWaves, "load", lambda self, split, root: Altered((9, 10, 11)))
    (sentence,) = notes_of(page(toy, results))
    assert sentence.startswith("The images of 'toy-waves' here are not those of the record ")
    with pytest.raises(FreeshotError, match="Name the data folder of that run with --data, or run its cell again"):
        export(toy, results)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DataError("waves.zip was not found in data. Put it there."), "waves.zip was not found in data. Put it there."),
        (KeyError("wave"), "Reading the images of 'toy-waves' raised KeyError: 'wave'. Correct its plugin."),
    ],
)
def test_without_readable_images_the_accuracies_are_shown(
    toy: Toy, results: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fails(self: ToyWaves, split: str, root: Path) -> ToyImages:
        raise error

    monkeypatch.setattr(ToyWaves, "load", fails)
    text = page(toy, results)
    assert notes_of(text) == [sentence]
    assert text.count("<li><a") == 20
    with pytest.raises(type(error), match="wave"):
        export(toy, results)


def test_an_exported_file_has_a_few_episodes_and_no_control(toy: Toy, results: Path) -> None:
    text, notes = export(toy, results)
    assert notes == ()
    assert text.count("<article") == text.count("<li><a") == 3
    assert "Shown are 3 of 20 episodes" in text
    assert "Images of the data set &#x27;toy-waves&#x27;, licence: Apache-2.0." in text
    assert "<form" not in text
    assert set(re.findall(r'href="([^"d][^"]*)"', text)) == set(re.findall(r'href="(#episode-\d+)"', text))


def test_images_that_are_not_shareable_are_served_and_not_exported(
    toy: Toy, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyWaves, "shareable", False)
    assert figures(page(toy, results))
    with pytest.raises(
        DataError, match=r"^The images of 'toy-waves' \(licence: Apache-2.0\) are not declared shareable"
    ):
        export(toy, results)


@pytest.mark.parametrize("number", ["20", "-1", "x", "٣", "9" * 20])
def test_an_unknown_episode_is_an_error(toy: Toy, results: Path, number: str) -> None:
    with pytest.raises(UnknownNameError, match=f"^Unknown episode '{number}' on '{TOY_TRACK}'"):
        page(toy, results, episode=number)


def test_a_folder_without_records_is_an_error(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No record is finished"):
        page(toy, tmp_path)


def test_large_images_are_reduced(toy: Toy, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, eq=False)
    class Large(ToyImages):
        def read(self, indices):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            return super().read(indices).repeat(1, 1, 10, 10)

    monkeypatch.setattr(ToyWaves, "load", lambda self, split, root: Large((9, 10, 11)))
    data = re.findall(r"data:image/webp;base64,([^\"]+)", page(toy, results))
    assert {Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in data} == {(SIDE, SIDE)}
