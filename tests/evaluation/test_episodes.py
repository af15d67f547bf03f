"""An episode list follows from the track and the labels alone, on every machine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeshot.basics.errors import EpisodeError
from freeshot.contracts.tracks import Track
from freeshot.evaluation.episodes import draw_episode, draw_episodes, episodes_sha256, track_episodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRACK = Track("near/2w1s", "made-up", "pool", ("made-up",), "vit", way=2, shot=1, query=2, episodes=8)


@dataclass(frozen=True)
class Labels:
    """A data set with labels and no images."""

    counts: tuple[int, ...]
    sha256: str = "made-up"

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"class-{c}" for c in range(len(self.counts)))

    def __len__(self) -> int:
        return sum(self.counts)

    def read(self, indices: object) -> object:
        raise AssertionError("drawing episodes reads no image")


IMAGES = Labels((5, 4, 6))


@st.composite
def drawn(draw: st.DrawFn) -> tuple[list[int], int, int, int, int]:
    way, shot, query = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    counts = draw(st.lists(st.integers(shot + query, shot + query + 4), min_size=way, max_size=way + 3))
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return draw(st.permutations(labels)), way, shot, query, draw(st.integers(0, 2**63 - 1))


few = settings(max_examples=40, deadline=None)


@few
@given(drawn())
def test_no_image_is_twice_in_an_episode(case: tuple[list[int], int, int, int, int]) -> None:
    labels, way, shot, query, seed = case
    episode = draw_episode(np.array(labels), way, shot, query, seed, 0)
    used = [*episode.support, *episode.query]
    assert len(set(used)) == len(used) == way * (shot + query)


@few
@given(drawn())
def test_support_and_query_are_class_by_class(case: tuple[list[int], int, int, int, int]) -> None:
    labels, way, shot, query, seed = case
    episode = draw_episode(np.array(labels), way, shot, query, seed, 3)
    assert len(set(episode.classes)) == way
    assert [labels[i] for i in episode.support] == [c for c in episode.classes for _ in range(shot)]
    assert [labels[i] for i in episode.query] == [c for c in episode.classes for _ in range(query)]


@few
@given(drawn(), st.integers(1, 6))
def test_a_shorter_list_is_the_beginning_of_a_longer_one(
    case: tuple[list[int], int, int, int, int], count: int
) -> None:
    labels, way, shot, query, seed = case
    longer = draw_episodes(np.array(labels), way, shot, query, seed, count + 4)
    assert draw_episodes(np.array(labels), way, shot, query, seed, count) == longer[:count]


def test_another_process_draws_the_same_list() -> None:
    code = (
        "import numpy as np; from freeshot.evaluation.episodes import draw_episodes, episodes_sha256;"
        "print(episodes_sha256(draw_episodes(np.repeat(np.arange(4), 9), 3, 2, 4, 17, 30), 'x'))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == episodes_sha256(draw_episodes(np.repeat(np.arange(4), 9), 3, 2, 4, 17, 30), "x")


def test_the_order_of_two_classes_is_not_sorted() -> None:
    episodes = draw_episodes(np.repeat(np.arange(2), 5), 2, 1, 2, 1, 30)
    assert {episode.classes for episode in episodes} == {(0, 1), (1, 0)}


def test_only_fields_of_the_task_change_the_list() -> None:
    same = replace(TRACK, name="far/2w1s", pool="another", backbone="another", sources=(), selection="any")
    assert track_episodes(same, IMAGES) == track_episodes(TRACK, IMAGES)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"version": 2}, {"dataset": "other"}, {"split": "validation"}, {"query": 3}])
def test_another_task_has_another_list(change: dict[str, object]) -> None:
    other = replace(TRACK, **change)  # type: ignore[arg-type]
    assert track_episodes(other, IMAGES) != track_episodes(TRACK, IMAGES)  # type: ignore[arg-type]


def test_a_frozen_list_is_accepted() -> None:
    episodes = track_episodes(TRACK, IMAGES)  # type: ignore[arg-type]
    frozen = replace(TRACK, episodes_sha256=episodes_sha256(episodes, IMAGES.sha256))
    assert track_episodes(frozen, IMAGES) == episodes  # type: ignore[arg-type]


def test_images_that_changed_under_a_frozen_list_are_an_error() -> None:
    episodes = track_episodes(TRACK, IMAGES)  # type: ignore[arg-type]
    frozen = replace(TRACK, episodes_sha256=episodes_sha256(episodes, IMAGES.sha256))
    with pytest.raises(EpisodeError, match=r"'near/2w1s' are not the frozen ones .* 'made-up' have changed. Restore"):
        track_episodes(frozen, replace(IMAGES, sha256="other"))  # type: ignore[arg-type]


def test_too_few_classes_are_an_error_before_anything_is_drawn() -> None:
    with pytest.raises(EpisodeError) as caught:
        track_episodes(TRACK, Labels((9,)))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "Track 'near/2w1s' draws 2 classes, but the novel split of 'made-up' has only 1. Choose a smaller way."
    )


def test_too_few_images_of_a_class_are_an_error_with_its_name() -> None:
    with pytest.raises(EpisodeError) as caught:
        track_episodes(TRACK, Labels((9, 2, 9)))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "Track 'near/2w1s' needs 3 images of every class (1 shot + 2 query), but 'class-1' of 'made-up' has 2. "
        "Lower shot or query."
    )
