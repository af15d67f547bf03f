"""A record is the same with computed and with cached features; those of custom learners are never cached."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from freeshot.basics.files import fingerprint
from freeshot.cache import pixels as decoded
from freeshot.cache.artifacts import Artifacts
from freeshot.contracts.method import Learner, Method, Workbench
from freeshot.contracts.tensors import Adapter
from freeshot.engine import AdaptedLearner
from freeshot.evaluation.audit import Audit
from freeshot.pipeline import feature_cache as features
from freeshot.pipeline.feature_cache import adapter_sha256, shared_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache features and pixels of any size."""
    monkeypatch.setattr(features, "WORTH", 0.0)
    monkeypatch.setattr(decoded, "WORTH", 0)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the images that a learner of the harness embeds."""
    counted: list[int] = []
    plain = AdaptedLearner.embed

    def embed(self: AdaptedLearner, images: Tensor) -> Tensor:
        counted.append(len(images))
        return plain(self, images)

    monkeypatch.setattr(AdaptedLearner, "embed", embed)
    # the audit embeds some images again on purpose
    monkeypatch.setattr("freeshot.pipeline.audit.audit_features", lambda *_: Audit(0, {"batch": 0.0}))
    return counted


def facts(record: Any) -> dict[str, Any]:
    """Return the fields of a record without times and memory."""
    plain = record.model_dump(mode="json")
    for stage in plain["stages"]:
        for name in ("seconds", "peak_bytes", "cached"):
            stage.pop(name)
    plain["audit"].pop("seconds")
    return {name: value for name, value in plain.items() if name not in ("provenance", "test_evaluations")}


def stored(toy: Any) -> list[Path]:
    return sorted((toy.cache / "artifacts" / "features").glob("*/card.json"))


@pytest.mark.parametrize("method", ["frozen-prototype", "lora-average"])
def test_a_record_is_the_same_with_cached_features(toy: Any, embedded: list[int], method: str) -> None:
    first = toy.record(method)
    passed = len(embedded)
    second = toy.record(method, rerun=True)
    assert first.status == "ok", first.reason
    assert passed > 0
    assert len(embedded) == passed
    assert facts(first) == facts(second)
    assert len(stored(toy)) == 1


@given(st.sets(st.integers(0, 99), min_size=1), st.integers(1, 120))
def test_blocks_hold_every_used_image_once_and_are_whole_where_most_are_used(used: set[int], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "BLOCK", size)
        blocks = shared_blocks(sorted(used), 100)
    images = [image for block in blocks for image in block]
    assert sorted(set(images)) == images, "ascending and once each"
    assert used <= set(images)
    for block in blocks:
        whole = range(block[0] // size * size, min(block[0] // size * size + size, 100))
        mostly = len(used & set(whole)) >= 0.9 * len(whole)
        assert list(block) == (list(whole) if mostly else sorted(used & set(whole)))


def test_tracks_on_the_same_images_share_features(toy: Any, embedded: list[int]) -> None:
    first = toy.record("frozen-prototype", track="toy/in-domain/2w1s")
    passed = len(embedded)
    second = toy.record("frozen-prototype", track="toy/in-domain/2w2s")
    assert (first.status, second.status) == ("ok", "ok")
    assert len(embedded) == passed
    assert second.task_cost.flops > first.task_cost.flops, "two shots are more images"


def test_a_record_is_the_same_without_any_cache(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_caches = facts(toy.record("frozen-prototype"))
    assert list((toy.cache / "pixels").glob("*/pixels.u8"))
    monkeypatch.setattr(features, "WORTH", float("inf"))
    monkeypatch.setattr(decoded, "WORTH", float("inf"))
    (toy.cache).rename(toy.folder / "elsewhere")
    assert facts(toy.record("frozen-prototype", rerun=True)) == with_caches
    assert not stored(toy)
    assert not (toy.cache / "pixels").exists()


def test_damaged_features_are_computed_again(toy: Any, embedded: list[int]) -> None:
    first = toy.record("frozen-prototype")
    (card,) = stored(toy)
    tensors = card.with_name("tensors.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-4] + b"\0\0\0\1")
    passed = len(embedded)
    assert facts(toy.record("frozen-prototype", rerun=True)) == facts(first)
    assert len(embedded) > passed


def test_features_that_take_no_time_are_not_cached(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "WORTH", 1e9)
    toy.record("frozen-prototype")
    assert not stored(toy)


class Own(Learner):
    def __init__(self, inner: Learner) -> None:
        self.inner = inner

    def embed(self, images: Tensor) -> Tensor:
        return self.inner.embed(images) + 1


class Derived(AdaptedLearner):
    def embed(self, images: Tensor) -> Tensor:
        return super().embed(images) + 1


@dataclass(frozen=True)
class Custom(Method):
    """Embed with custom code."""

    name = "strange"

    way: str = "own"
    """Which."""

    def prepare(self, bench: Workbench) -> Learner:
        inner = bench.frozen()
        if self.way == "own":
            return Own(inner)
        assert isinstance(inner, AdaptedLearner)
        if self.way == "derived":
            inner.__class__ = Derived
        else:
            inner.embed = lambda images: AdaptedLearner.embed(inner, images) + 1  # type: ignore[method-assign]
        return inner


@pytest.mark.parametrize("way", ["own", "derived", "patched"])
def test_features_of_a_custom_learner_are_never_cached(toy: Any, way: str) -> None:
    toy.offer(methods=[Custom])
    record = toy.record("strange", suite=None, options=(f"way={way}",))
    assert record.status == "ok", record.reason
    assert not stored(toy)


@dataclass(frozen=True)
class Modifying(Method):
    """Change the network inside of a learner of the harness."""

    name = "spoiling"

    by: float = 0.0
    """How much."""

    def prepare(self, bench: Workbench) -> Learner:
        import copy

        learner: Any = bench.frozen()
        vit: Any = copy.deepcopy(learner.network)
        with torch.no_grad():
            vit.blocks[0].attn.qkv.weight += self.by * torch.randn(1)
        learner._backbone = replace(learner._backbone, vit=vit)
        return learner  # type: ignore[no-any-return]


def test_a_modified_network_has_its_own_features(toy: Any) -> None:
    toy.offer(methods=[Modifying])
    toy.record("spoiling", suite=None)
    toy.record("spoiling", suite=None, options=("by=0.1",))
    assert len(stored(toy)) == 2


def test_the_hash_of_an_adapter_covers_its_tensors() -> None:
    first, second = torch.ones(2, 3), torch.zeros(3)
    assert adapter_sha256(None) == "frozen"
    same = (
        adapter_sha256(Adapter({"a": first, "b": second}, {})),
        adapter_sha256(Adapter({"b": second, "a": first}, {"x": 1})),
    )
    assert same[0] == same[1]
    others = [
        {"a": first, "b": second + 1},
        {"a": first.T, "b": second},
        {"a": first},
        {"a": first.double(), "b": second},
    ]
    assert len({same[0], *(adapter_sha256(Adapter(other, {})) for other in others)}) == 5


def test_features_of_many_images_are_cached_block_by_block(
    toy: Any, embedded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = facts(toy.record("frozen-prototype"))
    images = sum(embedded)
    for card in stored(toy):
        shutil.rmtree(card.parent)
    monkeypatch.setattr(features, "BLOCK", 50)
    monkeypatch.setattr(features, "WORTH", 1e9)  # blocks are shared, so they are cached at any cost
    assert facts(toy.record("frozen-prototype", rerun=True)) == whole
    assert len(stored(toy)) == -(-images // 50) > 1
    shutil.rmtree(stored(toy)[0].parent)
    passed = sum(embedded)
    assert facts(toy.record("frozen-prototype", rerun=True)) == whole
    assert 0 < sum(embedded) - passed <= 50  # only the removed block was embedded again


def test_blocks_of_another_process_come_last(toy: Any, embedded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "BLOCK", 20)
    order: list[str] = []
    second = fingerprint(list(range(20, 40)), 64)
    plain = Artifacts.save

    def save(self: Artifacts, stage: str, recipe: Any, artifact: Any) -> None:
        order.append(recipe["used"])
        plain(self, stage, recipe, artifact)

    monkeypatch.setattr(Artifacts, "save", save)
    monkeypatch.setattr(Artifacts, "is_locked", lambda self, stage, recipe: recipe["used"] == second)
    record = toy.record("frozen-prototype")
    assert record.status == "ok", record.reason
    assert len(order) == len(set(order)) > 2
    assert order[-1] == second
