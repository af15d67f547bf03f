"""A trained adapter is exported as a PEFT adapter with the same features, and loaded again without a change."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from freeshot.basics.errors import PoolError
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.lora.bank import TARGETS
from freeshot.engine.lora.low_rank import padded
from freeshot.engine.lora.meta_model import SharedLora, factors_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.pool.adapter_folder import export_adapter, open_adapter


def trained(backbone: Backbone, targets: tuple[str, ...] = ("q", "v"), rank: int = 3) -> Adapter:
    """Return an adapter far from zero."""
    model = SharedLora(backbone, rank, torch.Generator().manual_seed(0), targets)
    with torch.no_grad():
        for index, b in enumerate(model.bank.b):
            b.copy_(torch.randn(b.shape, generator=torch.Generator().manual_seed(index)) * 0.2)
    return model.snapshot()


def uneven(backbone: Backbone) -> Adapter:
    """Return an adapter of rank 5 on q and v and of rank 2 on fc1."""
    attention, wide = trained(backbone, rank=5), trained(backbone, ("fc1",), 2)
    return Adapter({**attention.tensors, **wide.tensors})


@pytest.fixture
def folder(tmp_path: Path, backbone: Backbone) -> Path:
    """Return the folder of an exported adapter."""
    export_adapter(tmp_path / "meta", trained(backbone), backbone, {"pool": "toy"})
    return tmp_path / "meta"


@pytest.mark.filterwarnings("default")  # peft's imports raise warnings of other packages
@pytest.mark.parametrize("targets", [("q", "v"), ("k",), ("q", "fc1", "proj"), TARGETS])
def test_peft_loads_it_without_freeshot_with_equal_features(
    tmp_path: Path, backbone: Backbone, targets: tuple[str, ...]
) -> None:
    require_equal_features(tmp_path, backbone, trained(backbone, targets))


@pytest.mark.filterwarnings("default")  # peft's imports raise warnings of other packages
def test_peft_loads_an_adapter_with_layers_of_different_ranks(tmp_path: Path, backbone: Backbone) -> None:
    require_equal_features(tmp_path, backbone, uneven(backbone))


def require_equal_features(tmp_path: Path, backbone: Backbone, adapter: Adapter) -> None:
    from peft import PeftModel

    export_adapter(tmp_path, adapter, backbone, {})
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    peft: Any = PeftModel.from_pretrained(copy.deepcopy(backbone.vit), str(tmp_path)).eval()
    with torch.no_grad():
        theirs = peft.base_model.model(backbone.normalize(images))
        ours = AdaptedLearner(backbone, adapter).embed(images)
        plain = AdaptedLearner(backbone).embed(images)
    assert torch.allclose(theirs, ours, atol=1e-5)
    assert (theirs - plain).abs().max() > 0.05


def test_an_adapter_is_loaded_without_a_changed_bit(folder: Path, backbone: Backbone) -> None:
    opened, written = open_adapter(folder, backbone), trained(backbone)
    assert opened.tensors.keys() == written.tensors.keys()
    assert all(torch.equal(tensor, written.tensors[name]) for name, tensor in opened.tensors.items())
    assert opened.facts == {"pool": "toy"}


def test_layers_of_lower_rank_are_loaded_padded_with_zeros(tmp_path: Path, backbone: Backbone) -> None:
    adapter = uneven(backbone)
    export_adapter(tmp_path, adapter, backbone, {})
    opened, written = factors_of(open_adapter(tmp_path, backbone)), factors_of(adapter)
    assert opened.keys() == written.keys()
    assert {a.shape[0] for a, _ in opened.values()} == {b.shape[1] for _, b in opened.values()} == {5}
    for slot, (a, b) in written.items():
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(opened[slot], padded(a, b, 5), strict=True))


def refusal(folder: Path, backbone: Backbone) -> str:
    with pytest.raises(PoolError) as caught:
        open_adapter(folder, backbone)
    return str(caught.value)


def test_a_folder_without_a_card_is_refused(tmp_path: Path, backbone: Backbone) -> None:
    assert refusal(tmp_path, backbone) == (
        f"{tmp_path} is not an adapter: it has no freeshot.json. Make one with 'freeshot recycle'."
    )


def test_an_adapter_of_another_backbone_is_refused(folder: Path, backbone: Backbone) -> None:
    card = json.loads((folder / "freeshot.json").read_text())
    (folder / "freeshot.json").write_text(json.dumps(card | {"backbone_sha256": "0" * 64}))
    assert "was trained on toy-vit (00000000…), but the backbone here is" in refusal(folder, backbone)


@pytest.mark.parametrize("key", ["format", "backbone", "backbone_sha256", "rank", "rows", "sha256"])
def test_a_card_without_a_required_field_is_refused(folder: Path, backbone: Backbone, key: str) -> None:
    card = json.loads((folder / "freeshot.json").read_text())
    del card[key]
    (folder / "freeshot.json").write_text(json.dumps(card))
    assert refusal(folder, backbone) == (
        f"{folder / 'freeshot.json'} is not a valid card ({key}: Field required). Make the adapter again."
    )


def test_a_truncated_file_is_named(folder: Path, backbone: Backbone) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert refusal(folder, backbone).startswith(f"{file} cannot be read (")
