"""Pool LDA: each of its parts can be switched off, down to the frozen network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from freeshot.basics.errors import OptionError
from freeshot.contracts.method import Learner
from freeshot_lda.method import PoolLda, PoolLdaLearner

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

TRACKS = ("toy/in-domain/2w1s", "toy/in-domain/2w2s")


class Corner(Learner):
    """Features that are the image's left columns."""

    def embed(self, images: Tensor) -> Tensor:
        return images[..., :2].flatten(1)


@pytest.mark.parametrize("track", TRACKS)
def test_without_views_and_metric_it_is_the_average_or_frozen(toy: Toy, track: str) -> None:
    plain = toy.record("pool-lda", track=track, options=("scale=1", "views=", "shrinkage=0"))
    assert plain.accuracies == toy.record("lora-average", track=track).accuracies
    bare = toy.record("pool-lda", track=track, options=("scale=0", "views=", "shrinkage=0"))
    assert bare.accuracies == toy.record("frozen-prototype", track=track).accuracies


def test_with_one_shot_the_metric_changes_nothing(toy: Toy) -> None:
    with_metric, without = (
        toy.record("pool-lda", track=TRACKS[0], options=(f"shrinkage={shrinkage}",)) for shrinkage in (60, 0)
    )
    assert with_metric.accuracies == without.accuracies


def test_it_is_data_free_and_tuning_free(toy: Toy) -> None:
    record = toy.record("pool-lda")
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)


def test_features_are_the_mean_over_views() -> None:
    images = torch.rand(2, 3, 8, 8)
    learner = PoolLdaLearner(Corner(), ("mirror",), 60.0)
    expected = (Corner().embed(images) + Corner().embed(images.flip(-1))) / 2
    assert torch.allclose(learner.embed(images), expected, atol=1e-6)


def test_an_unknown_view_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"No view is called 'miror'\. Did you mean 'mirror'\?"):
        PoolLda(views=("miror",))
    with pytest.raises(OptionError, match="shrinkage"):
        PoolLda(shrinkage=-1.0)
