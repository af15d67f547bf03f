"""Hugging Face's own folders and cache are read; equal logits per family: tests/pool/test_peft_equality.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.engine import open_backbone
from freeshot_vision.backbones.hugging_face import HuggingFaceVit
from freeshot_vision.backbones.providers import NUMBERS, DinoV2VitS14, TimmVit

CONFIG = {
    "model_type": "dinov2", "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
}  # fmt: skip
HUB_ID = "lab/tiny"


def save_model(folder: Path, **config: Any) -> str:
    """Save a DINOv2 of one block with Hugging Face's names, all weights zero."""
    block, width = "encoder.layer.0", 12
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.mask_token": (1, width),
        "embeddings.position_embeddings": (1, 5, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, 14, 14),
        "embeddings.patch_embeddings.projection.bias": (width,),
        f"{block}.layer_scale1.lambda1": (width,),
        f"{block}.layer_scale2.lambda1": (width,),
    }
    linear = {
        **{f"{block}.attention.{name}": (width, width) for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
        f"{block}.mlp.fc1": (4 * width, width),
        f"{block}.mlp.fc2": (width, 4 * width),
    }
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in (f"{block}.norm1", f"{block}.norm2", "layernorm"):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    folder.mkdir(parents=True)
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    return str(folder)


def preprocessor(folder: str, **values: Any) -> None:
    Path(folder, "preprocessor_config.json").write_text(json.dumps(values))


def test_without_a_preprocessor_size_and_normalisation_come_from_config_and_family(tmp_path: Path) -> None:
    backbone = open_backbone(HuggingFaceVit(model=save_model(tmp_path / "m")))
    assert backbone.image_size == 28
    assert backbone.normalize.mean.flatten().tolist() == pytest.approx(NUMBERS["imagenet"][0])
    assert backbone.vit(torch.zeros(1, 3, 28, 28)).shape == (1, 12)


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ({"size": {"height": 42, "width": 42}}, 42),
        ({"size": {"shortest_edge": 256}, "crop_size": {"height": 42, "width": 42}, "do_center_crop": True}, 42),
        ({"size": {"shortest_edge": 256}, "crop_size": 42, "do_center_crop": True}, 42),
        ({"size": {"height": 42, "width": 56}}, 28),
        ({"size": {"shortest_edge": 256}}, 28),
        ({}, 28),
    ],
)
def test_the_preprocessor_sets_size_and_normalisation(size: dict[str, Any], side: int, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m")
    preprocessor(folder, image_mean=[0.1, 0.2, 0.3], image_std=[1, 2, 3], **size)
    provider = HuggingFaceVit(model=folder)
    assert provider.image_size() == side
    assert provider.normalization() == ((0.1, 0.2, 0.3), (1, 2, 3))
    assert HuggingFaceVit(model=folder, side=14).image_size() == 14


def test_a_hub_id_is_read_from_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=f"fetch it with 'hf download {HUB_ID} config.json"):
        HuggingFaceVit(model=HUB_ID).require_ready()
    repository = tmp_path / "models--lab--tiny"
    save_model(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    HuggingFaceVit(model=HUB_ID).require_ready()
    assert open_backbone(HuggingFaceVit(model=HUB_ID)).image_size == 28


@pytest.mark.parametrize(
    ("options", "config", "expected"),
    [
        (
            {"features": "projected"},
            {},
            "This model has no features 'projected'. Choose one of these for features: ",
        ),
        ({"side": 30}, {}, "Images of 30 px cannot be cut into patches of 14. Give side a multiple of 14."),
        ({}, {"hidden_act": "mish"}, "the activation 'mish' is not supported. Choose another model."),
        (
            {},
            {"hidden_size": 30000, "num_attention_heads": 3},
            "has shape [12, 3, 14, 14], but by the config.json ",
        ),
        (
            {},
            {"hidden_size": 10**9},
            "is not a valid config (hidden_size: Input should be less than or ",
        ),
        ({}, {"num_attention_heads": 5}, "5 heads do not divide a width of 12). Save the model again."),
        ({}, {"image_size": "28px"}, "is not a valid config (image_size: Input should be a valid integer"),
        ({}, {"num_hidden_layers": 2}, "has no 'blocks.1.attn.proj.bias', which the network needs."),
        ({"model": ""}, {}, "The backbone 'hf' needs a model: a folder, or a hub id. Write it as hf:model=FOLDER."),
        (
            {"model": "no where"},
            {},
            "The model 'no where' is not a folder. Save it as a folder with save_pr",
        ),
    ],
)
def test_unsupported_models_and_options_are_refused(
    options: dict[str, Any], config: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    folder = save_model(tmp_path / "m", **config)
    with pytest.raises(FreeshotError) as caught:
        HuggingFaceVit(**{"model": folder, **options}).build()
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("network", "model_class", "expected"),
    [
        (HUB_ID, "", f"hf:model={HUB_ID}"),
        (HUB_ID, "Dinov2WithRegistersForImageClassification", f"hf:model={HUB_ID},features=class+mean"),
        (HUB_ID, "CLIPForImageClassification", f"hf:model={HUB_ID},features=mean"),
        (HUB_ID, "ViTForImageClassification", f"hf:model={HUB_ID}"),
        ("timm/vit_tiny_patch16_224.augreg_in21k", "", ""),
        ("vit_tiny_patch16_224", "", ""),
    ],
)
def test_a_network_is_proposed_with_the_features_that_its_classifier_reads(
    network: str, model_class: str, expected: str
) -> None:
    assert HuggingFaceVit.proposal(network, model_class) == expected


def test_our_networks_are_proposed_for_the_hub_ids_of_their_weights_and_timms_for_its_names() -> None:
    assert DinoV2VitS14.proposal("facebook/dinov2-small") == "dinov2-vit-s14"
    assert not DinoV2VitS14.proposal("facebook/dinov2-giant")
    line = "timm:model=vit_tiny_patch16_224.augreg_in21k,weights=FILE"
    assert TimmVit.proposal("timm/vit_tiny_patch16_224.augreg_in21k") == line
    assert not TimmVit.proposal("facebook/dinov2-small")
