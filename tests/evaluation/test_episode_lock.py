"""Lists of episodes whose images nobody ships: their indices are frozen, or they are noted when first met."""

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
    """So many images of each class."""

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


def met(images: Dots, data: Path, track: Track = TRACK) -> None:
    require_as_first_met(track, track_episodes(track, images), images, data)


def test_a_list_is_frozen_by_the_number_of_images_of_each_class_alone() -> None:
    track = replace(TRACK, indices_sha256=frozen_indices(TRACK, (4, 5, 6)))
    assert track_episodes(track, Dots((4, 5, 6))) == track_episodes(track, Dots((4, 5, 6), "other pictures"))


def test_a_copy_with_other_numbers_of_images_is_refused() -> None:
    track = replace(TRACK, indices_sha256=frozen_indices(TRACK, (4, 5, 6)))
    with pytest.raises(EpisodeError) as message:
        track_episodes(track, Dots((4, 5, 7)))
    assert str(message.value) == (
        "The episodes of 'far/dots/2w1s' are not the frozen ones: this copy of 'dots' has other numbers of images than "
        "its publisher's, 4 to 7 a class of 3 in the novel split. Get it again and run 'freeshot data check dots'."
    )


def test_what_is_met_first_is_noted_and_met_again(tmp_path: Path) -> None:
    met(Dots((4, 5)), tmp_path)
    assert note_of(TRACK, tmp_path).is_file()
    met(Dots((4, 5)), tmp_path)


def test_images_that_changed_since_are_refused(tmp_path: Path) -> None:
    met(Dots((4, 5)), tmp_path)
    with pytest.raises(EpisodeError, match="differ from those of the first run here: images or labels of 'dots' have"):
        met(Dots((4, 5), "other pictures"), tmp_path)


def test_another_version_of_a_track_is_another_list(tmp_path: Path) -> None:
    met(Dots((4, 5)), tmp_path)
    met(Dots((4, 5), "other pictures"), tmp_path, replace(TRACK, version=2))


def test_a_folder_that_cannot_be_written_keeps_no_note(tmp_path: Path) -> None:
    (tmp_path / ".freeshot").write_text("in the way")
    met(Dots((4, 5)), tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    note = note_of(TRACK, tmp_path)
    note.parent.mkdir(parents=True)
    note.write_bytes(content)
    met(Dots((4, 5)), tmp_path)


@dataclass(frozen=True)
class Listed(FewShotDataset):
    """A stranger's images in the data folder, which says nothing of whether they are there."""

    name, domain, license = "listed", "arithmetic", "none"

    def load(self, split: str, root: Path) -> ToyImages:
        """Read which kinds of waves there are."""
        return ToyImages(tuple(map(int, (root / "kinds.txt").read_text().split())))


def test_a_strangers_data_set_is_fixed_when_first_met_too(toy: Toy) -> None:
    toy.offer(datasets=[Listed])
    data = toy.folder / "data"
    data.mkdir()
    (data / "kinds.txt").write_text("9 10 11")
    track = Track("own/listed/2w1s", "listed", "p", (), "b", way=2, query=2, episodes=3)

    def environment() -> RunContext:
        return RunContext(toy.catalogue, toy.cache, data, torch.device("cpu"))

    assert environment().episodes(track) == environment().episodes(track)
    (data / "kinds.txt").write_text("8 10 11")
    with pytest.raises(EpisodeError, match="images or labels of 'listed' have changed"):
        environment().episodes(track)
