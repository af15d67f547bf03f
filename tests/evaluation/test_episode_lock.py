"""Episodes of data sets that are not distributed: indices are frozen, or a note is stored at the first run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from freeshot.basics.errors import EpisodeError
from freeshot.contracts.dataset import FewShotDataset
from freeshot.contracts.tracks import Track
from freeshot.evaluation.episode_lock import note_of, require_as_first_met
from freeshot.evaluation.episodes import frozen_indices, track_episodes
from freeshot.pipeline.context import RunContext
from freeshot.testing.toy import ToyImages

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.conftest import Toy

TRACK = Track("far/dots/2w1s", "dots", "p", (), "b", way=2, query=2, episodes=3)


@dataclass(frozen=True)
class Dots:
    """`counts[c]` images of class c."""

    counts: tuple[int, ...]
    sha256: str = "ab"

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(len(self.counts))))

    def __len__(self) -> int:
        return sum(self.counts)

    def read(self, indices: object) -> torch.Tensor:
        raise NotImplementedError


def require_unchanged(images: Dots, data: Path, track: Track = TRACK) -> None:
    require_as_first_met(track, track_episodes(track, images), images, data)


def test_a_list_is_frozen_by_the_number_of_images_of_each_class_alone() -> None:
    track = replace(TRACK, indices_sha256=frozen_indices(TRACK, (4, 5, 6)))
    assert track_episodes(track, Dots((4, 5, 6))) == track_episodes(track, Dots((4, 5, 6), "other pictures"))


def test_a_copy_with_other_numbers_of_images_is_an_error() -> None:
    track = replace(TRACK, indices_sha256=frozen_indices(TRACK, (4, 5, 6)))
    with pytest.raises(EpisodeError) as message:
        track_episodes(track, Dots((4, 5, 7)))
    assert str(message.value) == (
        "The episodes of 'far/dots/2w1s' are not the frozen ones: this copy of 'dots' has other numbers of images than "
        "its publisher's, 4 to 7 a class of 3 in the novel split. Get it again and run 'freeshot data check dots'."
    )


def test_the_first_run_stores_a_note_and_a_second_run_passes(tmp_path: Path) -> None:
    require_unchanged(Dots((4, 5)), tmp_path)
    assert note_of(TRACK, tmp_path).is_file()
    require_unchanged(Dots((4, 5)), tmp_path)


def test_images_that_changed_since_the_first_run_are_an_error(tmp_path: Path) -> None:
    require_unchanged(Dots((4, 5)), tmp_path)
    with pytest.raises(EpisodeError, match="differ from those of the first run here: images or labels of 'dots' have"):
        require_unchanged(Dots((4, 5), "other pictures"), tmp_path)


def test_another_version_of_a_track_is_another_list(tmp_path: Path) -> None:
    require_unchanged(Dots((4, 5)), tmp_path)
    require_unchanged(Dots((4, 5), "other pictures"), tmp_path, replace(TRACK, version=2))


def test_without_write_access_no_note_is_stored(tmp_path: Path) -> None:
    (tmp_path / ".freeshot").write_text("in the way")
    require_unchanged(Dots((4, 5)), tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_an_unreadable_note_is_ignored(tmp_path: Path, content: bytes) -> None:
    note = note_of(TRACK, tmp_path)
    note.parent.mkdir(parents=True)
    note.write_bytes(content)
    require_unchanged(Dots((4, 5)), tmp_path)


@dataclass(frozen=True)
class Listed(FewShotDataset):
    """Images of another plugin in the data folder, without a check that they are installed."""

    name, domain, license = "listed", "arithmetic", "none"

    def load(self, split: str, root: Path) -> ToyImages:
        """Read the kinds of waves from a file."""
        return ToyImages(tuple(map(int, (root / "kinds.txt").read_text().split())))


def test_a_data_set_of_another_plugin_is_fixed_at_the_first_run_too(toy: Toy) -> None:
    toy.offer(datasets=[Listed])
    data = toy.folder / "data"
    data.mkdir()
    (data / "kinds.txt").write_text("9 10 11")
    track = Track("own/listed/2w1s", "listed", "p", (), "b", way=2, query=2, episodes=3)

    def context() -> RunContext:
        return RunContext(toy.catalogue, toy.cache, data, torch.device("cpu"))

    assert context().episodes(track) == context().episodes(track)
    (data / "kinds.txt").write_text("8 10 11")
    with pytest.raises(EpisodeError, match="images or labels of 'listed' have changed"):
        context().episodes(track)
