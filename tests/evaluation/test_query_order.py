"""The order in which images are shown depends on their pixels only."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.conftest import CountedImages
from tests.evaluation.scored import score_embedding

from freeshot.contracts.method import Learner
from freeshot.evaluation import query_order
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.query_order import image_keys, pixel_keys, shown_order
from freeshot.evaluation.scoring import score_tuning


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(256, (count, 3, 4, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_a_key_is_the_blake2b_hash_of_the_pixels() -> None:
    images = pictures(3)
    expected = [
        int.from_bytes(hashlib.blake2b(bytes(i.flatten().tolist()), digest_size=8).digest(), "little", signed=True)
        for i in images
    ]
    assert pixel_keys(images).tolist() == expected
    assert pixel_keys(images[:0]).tolist() == []


@given(st.permutations(range(12)))
def test_the_order_does_not_depend_on_the_classes(listing: list[int]) -> None:
    """Classes decide the order of the list; the same pictures are shown in the same order for every list."""
    images = pictures(12)
    shown = images[listing][shown_order(pixel_keys(images[listing]))]
    assert torch.equal(shown, images[shown_order(pixel_keys(images))])


def test_images_are_hashed_in_blocks(monkeypatch: object) -> None:
    images = CountedImages((20, 20))
    whole = image_keys(images, range(40))
    query_order.BLOCK, before = 7 * 12, query_order.BLOCK
    try:
        assert torch.equal(image_keys(images, range(40)), whole)
    finally:
        query_order.BLOCK = before
    assert image_keys(images, []).tolist() == []


def test_a_head_and_a_predictor_are_shown_the_same_order() -> None:
    images = CountedImages((20, 20, 20))
    episode = draw_episodes(images.labels, 3, 2, 5, 0, 1)[0]
    seen: dict[str, list[int]] = {}

    class Embedding(Learner):
        """Feature: the number of the image."""

        def embed(self, images: torch.Tensor) -> torch.Tensor:
            return (images[:, :1, 0, 0] * 255).round()

        def classify(self, support: torch.Tensor, query: torch.Tensor, way: int) -> torch.Tensor:
            seen["head"] = query[0, :, 0].int().tolist()
            return query.expand(-1, -1, way) * torch.rand(way)

    class Tuning(Learner):
        """Score by pixels."""

        def adapt_many(self, support: torch.Tensor, way: int, rngs: object) -> object:  # type: ignore[override]
            def predict(queries: torch.Tensor) -> torch.Tensor:
                numbers = (queries[:, :, 0, 0, 0] * 255).round()
                seen["predictor"] = numbers[0].int().tolist()
                return numbers.unsqueeze(-1) * torch.rand(way)

            return predict

    score_embedding(Embedding(), images, [episode], torch.device("cpu"))
    score_tuning(Tuning(), images, [episode], torch.device("cpu"), seed=0)
    expected = [episode.query[i] for i in shown_order(image_keys(images, episode.query)).tolist()]
    assert seen["head"] == seen["predictor"] == expected
    assert sorted(expected) == sorted(episode.query)
    assert np.mean([a == b for a, b in zip(expected, episode.query, strict=True)]) < 0.5
