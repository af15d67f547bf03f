"""Browse the episodes of a results folder: pictures from the data sets, predictions from beside the records.

A page that is served stays on the machine of those who have the images. A file can be passed on, so it holds only
pictures of data sets that are declared shareable.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeshot.basics.errors import DataError, EpisodeError, FreeshotError, StoreError, UnknownNameError
from freeshot.basics.files import write_text
from freeshot.contracts.dataset import Images
from freeshot.contracts.tracks import Track
from freeshot.data.lookup import dataset_by_name
from freeshot.evaluation.episodes import episodes_sha256, track_episodes
from freeshot.leaderboard import boards, main_suite
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.episode_choice import Accuracies, choose, newest_boards, ordered, sampled
from freeshot.records.load import load_records, record_paths
from freeshot.records.models import RunRecord, TrackSpec
from freeshot.records.predictions import CellPredictions, stored_at
from freeshot.records.saved_predictions import other_run, saved_predictions
from freeshot.render.html.episodes import Answer, EpisodesPage, ShownClass, ShownQuery, episodes_page

if TYPE_CHECKING:
    from freeshot.contracts.tensors import Episode
    from freeshot.leaderboard.board import Extensions
    from freeshot.plugin.catalogue import Catalogue

SIDE = 96
"""Largest side of a picture in pixels."""


@dataclass(frozen=True)
class ResultsFolder:
    """The boards of a folder, and the files of its records."""

    boards: tuple[Board, ...]
    """The newest of each suite."""
    files: Mapping[str, Sequence[Path]]
    """Hash of a cell → files named by it."""


@dataclass(frozen=True)
class Run:
    """The run of a row that is shown: one seed, with its predictions if they are saved."""

    record: RunRecord
    predictions: CellPredictions | None
    file: Path
    problem: str = ""
    """Why saved predictions are not used."""


def open_results(results: Path, extensions: Extensions) -> ResultsFolder:
    """Load the records of a folder."""
    records = load_records(results).records
    first = main_suite(records, extensions.suites) if records else None
    files: dict[str, list[Path]] = defaultdict(list)
    for path in record_paths(results):
        files[path.stem.rpartition("-")[2]].append(path)
    return ResultsFolder(tuple(newest_boards(boards(records, extensions), first)), files)


class EpisodeBrowser:
    """Makes pages of episodes; each split of a data set is opened once."""

    def __init__(self, catalogue: Catalogue, data: Path) -> None:
        self._catalogue, self._data = catalogue, data
        self._images: dict[tuple[str, str], Images] = {}
        self._episodes: dict[str, tuple[Episode, ...]] = {}

    def page(self, folder: ResultsFolder, query: Mapping[str, str]) -> str:
        """Return the page that an address names by suite, track, a, b, order and episode; all of them are optional.

        A FreeshotError states an unknown name. If the pictures are not available the page states why.
        """
        names = [query.get(letter) for letter in "ab"]
        choice = choose(folder.boards, query.get("suite"), query.get("track"), names, replace=True)
        runs = [_run(row, choice.track, folder) for row in choice.rows]
        accuracies, order = _accuracies(runs), query.get("order", "number")
        listed = ordered(accuracies, order)
        number = _number(query.get("episode", f"{listed[0]}"), choice.track, len(listed))
        notes = _problems(runs)
        classes: tuple[ShownClass, ...] = ()
        source = ""
        try:
            classes, source = self._classes(runs, number), self._source(runs)
        except FreeshotError as error:
            notes += (str(error),)
        except Exception as error:  # noqa: BLE001  a failing data set must not take the accuracies with it
            dataset = runs[0].record.spec.track.dataset
            notes += (f"Reading the images of '{dataset}' raised {type(error).__name__}: {error}. Correct its plugin.",)
        suites = tuple(board.suite for board in folder.boards)
        shown = {number: classes}
        return episodes_page(
            EpisodesPage(choice, accuracies, listed, shown, order, source, notes, _unsaved(runs), suites)
        )

    def export(
        self, folder: ResultsFolder, path: Path, suite: str | None, track: str | None, rows: Sequence[str], count: int
    ) -> tuple[str, ...]:
        """Write the hardest, the median and the easiest episodes as one file; return sentences about what is missing.

        DataError if the data set is not declared shareable, or is not available.
        """
        choice = choose(folder.boards, suite, track, rows)
        runs = [_run(row, choice.track, folder) for row in choice.rows]
        self._require_shareable(runs[0].record.spec.track.dataset)
        accuracies = _accuracies(runs)
        listed = sampled(accuracies, count)
        shown = {number: self._classes(runs, number) for number in listed}
        notes = _problems(runs)
        page = EpisodesPage(choice, accuracies, listed, shown, "difficulty", self._source(runs), notes, _unsaved(runs))
        write_text(path, episodes_page(page))
        return notes

    def _require_shareable(self, name: str) -> None:
        dataset = dataset_by_name(self._catalogue, name)
        if not dataset.shareable:
            raise DataError(
                f"The images of '{dataset.name}' (licence: {dataset.license or 'unknown'}) are not declared shareable, "
                "so they are not written into a file. 'freeshot view' without --export shows them on this machine."
            )

    def _source(self, runs: Sequence[Run]) -> str:
        dataset = dataset_by_name(self._catalogue, runs[0].record.spec.track.dataset)
        return f"Images of the data set '{dataset.name}', licence: {dataset.license or 'unknown'}."

    def _classes(self, runs: Sequence[Run], number: int) -> tuple[ShownClass, ...]:
        """Return the classes of an episode with pictures and predictions."""
        records = [run.record for run in runs]
        episodes, images = self._verified(records)
        episode, track = episodes[number], records[0].spec.track
        answers = [_answers(run, episode, images.classes) for run in runs]
        support = np.reshape(episode.support, (track.way, -1)).tolist()
        queries = np.reshape(episode.query, (track.way, -1)).tolist()
        return tuple(
            ShownClass(
                images.classes[label],
                tuple(_pictures(images, own)),
                tuple(
                    ShownQuery(picture, tuple(by_image.get(index) for by_image in answers))
                    for index, picture in zip(of_class, _pictures(images, of_class), strict=True)
                ),
            )
            for label, own, of_class in zip(episode.classes, support, queries, strict=True)
        )

    def _verified(self, records: Sequence[RunRecord]) -> tuple[tuple[Episode, ...], Images]:
        """Draw the episodes of records; EpisodeError if images or episodes here are not those of the records."""
        spec = records[0].spec.track
        images = self._open(spec.dataset, spec.split)
        key = spec.model_dump_json()
        if key not in self._episodes:
            self._episodes[key] = track_episodes(_track(spec), images)
        here = episodes_sha256(self._episodes[key], images.sha256)
        for record in records:
            recorded = record.hashes.get("episodes") or record.spec.track.episodes_sha256
            if recorded != here:
                raise EpisodeError(
                    f"The images of '{spec.dataset}' here are not those of the record {record.cell}, whose episodes "
                    f"have the hash {recorded[:12] or 'none'} instead of {here[:12]}. Name the data folder of that run "
                    "with --data, or run its cell again."
                )
        return self._episodes[key], images

    def _open(self, dataset: str, split: str) -> Images:
        if (dataset, split) not in self._images:
            self._images[dataset, split] = dataset_by_name(self._catalogue, dataset).load(split, self._data)
        return self._images[dataset, split]


def _run(row: Entry, track: str, folder: ResultsFolder) -> Run:
    """Choose the run of a row with saved predictions, otherwise its lowest seed."""
    records = sorted(row.finished(track), key=lambda record: record.spec.seed)
    problem = ""
    for record in records:
        files = folder.files.get(record.cell, ())
        try:
            predictions = saved_predictions(record, files)
        except StoreError as error:
            problem = problem or str(error)
            continue
        if predictions is not None:
            return Run(record, predictions, next(path for path in map(stored_at, files) if path.exists()))
    return Run(records[0], None, Path(), problem)


def _problems(runs: Sequence[Run]) -> tuple[str, ...]:
    return tuple(run.problem for run in runs if run.problem)


def _unsaved(runs: Sequence[Run]) -> tuple[bool, ...]:
    return tuple(run.predictions is None and not run.problem for run in runs)


def _accuracies(runs: Sequence[Run]) -> Accuracies:
    """Return the accuracies [r, e]; a board has only records with the same list of episodes on a track."""
    return np.array([run.record.accuracies for run in runs], dtype=np.float64)


def _answers(run: Run, episode: Episode, classes: Sequence[str]) -> dict[int, Answer]:
    """Return the prediction of each query image of an episode; StoreError if they are of other images."""
    saved = run.predictions
    if saved is None:
        return {}
    row = episode.id
    images, chosen = saved.images[row].tolist(), saved.classes[row].tolist()
    if images != list(episode.query) or chosen != list(episode.classes):
        raise other_run(run.file)
    probabilities = np.exp(saved.log_probabilities[row].astype(np.float64))  # [q, c]
    return {
        image: Answer(classes[chosen[guess]], float(own[guess]), bool(right))
        for image, guess, own, right in zip(
            images, saved.predictions[row].tolist(), probabilities, saved.right[row], strict=True
        )
    }


def _number(text: str, track: str, count: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < count):
        raise UnknownNameError(f"Unknown episode '{text}' on '{track}'. Choose one of 0 to {count - 1}.")
    return int(text)


def _track(spec: TrackSpec) -> Track:
    """Return the track as it was when the cell ran, whether or not its plugin is installed."""
    shared = {field.name: getattr(spec, field.name) for field in fields(Track) if field.name in TrackSpec.model_fields}
    return Track(**shared, backbone="")


def _pictures(images: Images, indices: Sequence[int]) -> list[bytes]:
    """Read images as WebP of at most SIDE pixels."""
    return [_webp(pixels) for pixels in images.read(indices).permute(0, 2, 3, 1).numpy()]


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    picture.save(out, format="WEBP")
    return out.getvalue()
