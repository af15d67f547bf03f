"""Code that runs on the CPU runs on a GPU with the same results: `pytest tests/cuda` on a machine with a GPU.

Numbers agree to rounding, not to the bit: GPUs sum in another order.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch
from tests.test_pipeline import KNOWN, METHODS, assert_complete, combinations_of_parts, small, small_parts

from freeshot.engine import LoraBank, SharedLora, forward, open_backbone
from freeshot.engine.lora.bank import merge
from freeshot.pool.store import open_pool
from freeshot.records.models import RunRecord
from freeshot.testing.toy import POOL, ToyVit
from freeshot_lora_recycle.merging import TokenMerging
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Toy
    from torch import Tensor

    from freeshot.contracts.pool import LoraEntry
    from freeshot.contracts.strategy import EfficiencyStrategy
    from freeshot.engine import Backbone

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

STRATEGIES = (AllTokens(), ClsAttention(at=(1,), ratio=0.5), TokenMerging(merge=1))


@pytest.fixture(scope="module")
def cpu() -> Backbone:
    """Return the toy network in float64, on the CPU."""
    return _float64(open_backbone(ToyVit()), "cpu")


@pytest.fixture(scope="module")
def gpu(cpu: Backbone) -> Backbone:
    """Return the same network on the GPU."""
    return _float64(cpu, "cuda")


def _float64(backbone: Backbone, device: str) -> Backbone:
    vit, normalize = copy.deepcopy(backbone.vit), copy.deepcopy(backbone.normalize)
    return dataclasses.replace(backbone, vit=vit.double().to(device), normalize=normalize.double().to(device))


@pytest.fixture(scope="module")
def entries() -> tuple[LoraEntry, ...]:
    """Return the toy pool's LoRAs."""
    return open_pool(POOL, open_backbone(ToyVit()).sha256).entries


def drawn(backbone: Backbone, count: int = 12) -> Tensor:
    side = backbone.image_size
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gradients(backbone: Backbone, entries: tuple[LoraEntry, ...], strategy: EfficiencyStrategy) -> tuple[Tensor, ...]:
    """Return features, and gradients of images and LoRAs, computed on the backbone's device."""
    bank = LoraBank.of(entries, next(backbone.vit.parameters()))
    images = drawn(backbone, 3 * len(entries)).to(backbone.device).requires_grad_()
    features = forward(backbone, images, bank, strategy=strategy).features
    features.square().sum().backward()  # type: ignore[no-untyped-call]
    actual = (features.detach(), images.grad, *(weight.grad for weight in bank.parameters()))
    return tuple(part.cpu() for part in actual if part is not None)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_features_and_gradients_of_a_bank_agree(
    gpu: Backbone, cpu: Backbone, entries: tuple[LoraEntry, ...], strategy: EfficiencyStrategy
) -> None:
    actual, expected = (gradients(backbone, entries, strategy) for backbone in (gpu, cpu))
    assert len(actual) == len(expected) > 3
    assert all(torch.allclose(f, e, rtol=1e-9, atol=1e-10) for f, e in zip(actual, expected, strict=True))


def test_a_bank_equals_its_loras_one_by_one_and_merged(gpu: Backbone, entries: tuple[LoraEntry, ...]) -> None:
    like = next(gpu.vit.parameters())
    images = drawn(gpu, 3 * len(entries)).cuda()
    together = forward(gpu, images, LoraBank.of(entries, like)).features
    for group, entry, features in zip(images.chunk(len(entries)), entries, together.chunk(len(entries)), strict=True):
        bank = LoraBank.of([entry], like)
        assert torch.allclose(forward(gpu, group, bank).features, features, rtol=0, atol=1e-10)
        with torch.no_grad():
            assert torch.allclose(merge(gpu.vit, bank)(gpu.normalize(group)), features, rtol=0, atol=1e-10)


def test_a_lora_leaves_no_trace(gpu: Backbone, entries: tuple[LoraEntry, ...]) -> None:
    images = drawn(gpu).cuda()
    before = forward(gpu, images).features
    forward(gpu, images, LoraBank.of(entries[:1], next(gpu.vit.parameters())))
    assert torch.equal(forward(gpu, images).features, before)


def test_a_fresh_meta_lora_starts_alike_and_changes_nothing(gpu: Backbone, cpu: Backbone) -> None:
    there, here = (SharedLora(backbone, 2, torch.Generator().manual_seed(0)) for backbone in (gpu, cpu))
    assert all(torch.equal(t.cpu(), h) for t, h in zip(there.lora(), here.lora(), strict=True))
    images = drawn(gpu).cuda()
    assert torch.equal(there.embed(images), forward(gpu, images).features)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_runs_from_end_to_end(toy: Toy, method: str) -> None:
    options = tuple(small(KNOWN.component("method", method)))
    record = toy.record(method, suite=None, options=options, device="cuda")
    assert_complete(record)
    assert record.provenance.device == torch.cuda.get_device_name()
    assert sum(stage.flops or 0 for stage in record.stages) > 0


@pytest.mark.parametrize(("inversion", "strategy", "learner"), combinations_of_parts())
def test_parts_can_be_combined_in_lora_recycle(toy: Toy, inversion: str, strategy: str, learner: str) -> None:
    options = small_parts({"inversion": inversion, "strategy": strategy, "learner": learner})
    assert_complete(toy.record("lora-recycle", suite=None, options=options, device="cuda"))


def test_a_method_runs_in_bfloat16(toy: Toy) -> None:
    options = ("inversion.iterations=3", "learner.iterations=3", "per_class=5")
    assert_complete(toy.record("lora-recycle", options=options, precision="bf16", device="cuda"))


@pytest.mark.parametrize("name", ["frozen-prototype", "lora-average", "knn", "linear-probe"])
def test_a_record_of_the_cpu_is_reproduced_on_the_gpu(toy: Toy, repository: Path, name: str) -> None:
    """Without random training, a GPU predicts the committed episodes as the CPU did, except for ties."""
    track = "in-domain/icons/5w5s"
    committed = next(
        record
        for path in sorted((repository / "results" / "pocket").rglob(f"{name}-*.json"))
        if (record := RunRecord.read(path)).spec.track.name == track
    )
    actual = toy.record(name, suite="pocket", track=track, device="cuda")
    assert actual.spec.cell == committed.spec.cell
    moved = [abs(f - c) for f, c in zip(actual.accuracies, committed.accuracies, strict=True)]
    assert sum(moved) / len(moved) < 5e-4
    assert max(moved) <= 3 / 75 + 1e-9


def test_processes_share_a_gpu(toy: Toy) -> None:
    arguments = {"device": "cuda", "seeds": (0, 1), "options": ("inversion.iterations=3", "learner.iterations=3")}
    alone = toy.launch("lora-recycle", **arguments)
    shared = toy.launch("lora-recycle", **arguments, launcher_options=("workers=2",), rerun=True)
    assert not alone.failed
    assert not shared.failed
