"""The prior's weights are the file that is named, and what it costs is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from freeshot.basics.errors import DataError
from freeshot.engine.prior import MULTIPLY_ADDS, open_prior, operations
from freeshot_lora_recycle.inversion import LoraInversion

CPU = torch.device("cpu")


def test_a_file_named_by_its_hash_must_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(b"something else")
    monkeypatch.setenv("FREESHOT_WEIGHTS", str(tmp_path))  # where it is found by its name alone
    with pytest.raises(DataError, match=r"resnet50-0676ba61\.pth is not what its name promises \(its SHA-256 is "):
        open_prior("resnet50-0676ba61.pth", "std", CPU)


def test_asking_it_is_counted_forward_and_back_to_the_pixels() -> None:
    import timm

    from freeshot.engine.operations import Operations

    network = timm.create_model("resnet50", pretrained=False).eval().requires_grad_(False)
    images = torch.zeros(1, 3, 64, 64, requires_grad=True)
    with Operations() as counted:
        network(images).sum().backward()
    assert operations(64) == pytest.approx(counted.count, rel=0.05)
    assert operations(224) == 4 * MULTIPLY_ADDS


def test_an_inversion_counts_its_prior_as_often_as_it_asks_it() -> None:
    assert LoraInversion(prior="none").beside(224) == 0
    assert LoraInversion(prior_every=4).beside(224) == pytest.approx(operations(224) / 4)
