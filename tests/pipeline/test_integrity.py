"""Replaced functions are named and restored; the state of a backbone covers all that changes features."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from freeshot.contracts.method import Learner
from freeshot.evaluation import metrics, scoring
from freeshot.pipeline.integrity import HarnessFunctions, backbone_state
from freeshot.pool.store import numbers_sha256
from freeshot.testing.toy import ToyVit

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.contracts.pool import LoraPool
    from freeshot.engine import Backbone


def replaced(owner: Any, name: str, value: Any) -> list[str]:
    """Replace an attribute, restore it from the snapshot, and return the names that it reports."""
    before, original = HarnessFunctions.now(), vars(owner).get(name)
    setattr(owner, name, value)
    names = before.restored()
    assert vars(owner).get(name) is original
    assert before.restored() == []
    return names


@pytest.mark.parametrize(
    ("owner", "name", "title"),
    [
        (torch, "argmax", "torch.argmax"),
        (torch.nn.functional, "softmax", "torch.nn.functional.softmax"),
        (np, "concatenate", "numpy.concatenate"),
        (scoring, "score_queries", "freeshot.evaluation.scoring.score_queries"),
        (scoring, "Embedded", "freeshot.evaluation.scoring.Embedded"),
        (metrics.QueryOutcomes, "accuracies", "freeshot.evaluation.metrics.QueryOutcomes.accuracies"),
        (Learner, "classify", "freeshot.contracts.method.Learner.classify"),
    ],
)
def test_a_replaced_function_is_named_and_restored(owner: Any, name: str, title: str) -> None:
    assert replaced(owner, name, lambda *_: None) == [title]


def test_another_function_of_the_same_library_is_a_replacement_too() -> None:
    assert replaced(torch, "argmax", torch.argmin) == ["torch.argmax"]


def test_a_name_that_hides_a_builtin_is_removed() -> None:
    assert replaced(scoring, "len", lambda _: 1) == ["freeshot.evaluation.scoring.len"]
    assert "len" not in vars(scoring)


def test_exchanged_code_is_named_and_restored() -> None:
    before, code = HarnessFunctions.now(), metrics.score_queries.__code__
    metrics.score_queries.__code__ = (lambda logits, labels, taken: None).__code__
    assert "freeshot.evaluation.metrics.score_queries" in before.restored()
    assert metrics.score_queries.__code__ is code


def test_a_library_may_wrap_a_function_of_its_own() -> None:
    before, plain = HarnessFunctions.now(), torch.manual_seed
    text = "def wrapping(inner):\n    def manual_seed(seed): return inner(seed)\n    return manual_seed"
    space: dict[str, Any] = {}
    exec(compile(text, f"{torch.__path__[0]}/_dynamo/wrapping.py", "exec"), space)  # noqa: S102 - as if torch had it
    torch.manual_seed = space["wrapping"](plain)
    try:
        assert before.restored() == []
    finally:
        torch.manual_seed = plain


def test_modules_that_are_loaded_later_and_caches_are_not_reported() -> None:
    before = HarnessFunctions.now()
    scoring.spare = object()  # type: ignore[attr-defined]
    import freeshot.render.latex  # noqa: F401

    try:
        assert before.restored() == []
    finally:
        del scoring.spare  # type: ignore[attr-defined]


def opened() -> Backbone:
    from freeshot.engine import open_backbone

    return open_backbone(ToyVit())


def halve(backbone: Backbone) -> None:
    next(backbone.vit.parameters()).data.mul_(0.5)


def shift(backbone: Backbone) -> None:
    backbone.normalize.mean.add_(0.1)


def hook(backbone: Backbone) -> None:
    next(backbone.vit.children()).register_forward_hook(lambda *_: None)


def train(backbone: Backbone) -> None:
    backbone.vit.train()


def replace_forward(backbone: Backbone) -> None:
    backbone.vit.forward = functools.partial(torch.flatten, start_dim=1)


@pytest.mark.parametrize("change", [halve, shift, hook, train, replace_forward])
def test_a_state_changes_with_everything_that_changes_features(change: Callable[[Backbone], None]) -> None:
    backbone = opened()
    before = backbone_state(backbone)
    assert backbone_state(backbone) == before
    change(backbone)
    assert backbone_state(backbone) != before


def test_the_hash_of_a_pools_numbers_covers_all_its_tensors(pool: LoraPool) -> None:
    before = numbers_sha256(pool)
    entry = pool.entries[-1]
    first, second = next(iter(entry.factors.values()))
    for tensor in (first, second, entry.head_weight, entry.head_bias):
        first_number = (0,) * tensor.ndim
        kept = tensor[first_number].item()
        tensor[first_number] += 1
        assert numbers_sha256(pool) != before
        tensor[first_number] = kept
    assert numbers_sha256(pool) == before
