"""Readers of third-party LoRAs as whole folders, and of networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.soak.damaging import Folder
from tests.soak.reader import Reader

from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.meta_model import SharedLora
from freeshot.engine.vit.backbone import open_backbone
from freeshot.pool.adapter_folder import export_adapter, open_adapter
from freeshot.pool.any_adapter import open_any_adapter
from freeshot.pool.external_formats import find_loras, named_network, read_lora
from freeshot.pool.import_pool import import_pool
from freeshot.pool.store import open_pool
from freeshot.testing import toy
from freeshot_vision.backbones.hugging_face import HuggingFaceVit
from freeshot_vision.backbones.hugging_face_config import read_config
from freeshot_vision.backbones.weight_files import read_weights
from freeshot_vision.backbones.weight_layouts import as_timm

WIDTH = toy.WIDTH


def readers(folder: Path) -> Iterator[Reader]:
    """Write valid files into a folder, and yield their readers."""
    backbone = open_backbone(toy.ToyVit())
    peft = folder / "peft"
    for number in range(2):
        write_peft(peft / f"lora-{number}")
    out = folder / "pools" / "made"

    def clear() -> None:
        shutil.rmtree(out.parent, ignore_errors=True)

    def import_loras(source: Path = peft) -> None:
        pool = import_pool(source, out, "made", backbone)[0]
        assert all(out in path.parents for path in out.rglob("*"))
        assert len(pool)

    import_loras()  # it is valid
    damaged = Folder(peft)
    yield Reader("PEFT folders, imported", peft, import_loras, clear, damaged.damage, out.parent)
    damaged.restore()

    def open_plain() -> None:
        named_network(peft / "lora-0")
        open_any_adapter(peft / "lora-0", backbone)

    yield Reader("PEFT folders, as adapters", peft, open_plain, damage=damaged.damage)
    yield from _hugging_face(folder / "hugging-face")
    yield from _paper(folder / "paper")
    pool = folder / "pool"
    shutil.copytree(toy.POOL, pool)
    yield Reader("pools as folders", pool, lambda: open_pool(pool), damage=Folder(pool).damage)
    adapter = folder / "adapter"
    made = SharedLora(backbone, 2, torch.Generator().manual_seed(0)).snapshot()
    made = Adapter({name: tensor + 0.1 for name, tensor in made.tensors.items()}, {})
    export_adapter(adapter, made, backbone, {})
    open_adapter(adapter, backbone)
    yield Reader("adapters as folders", adapter, lambda: open_adapter(adapter, backbone), damage=Folder(adapter).damage)
    weights = {name: tensor.clone() for name, tensor in backbone.vit.state_dict().items() if "blocks.0" in name}
    for ending in ("safetensors", "pt"):
        file = folder / f"weights.{ending}"
        if ending == "pt":
            torch.save({"state_dict": weights}, file)
        else:
            save_file(weights, file)
        yield Reader(f"weights of networks, {ending}", file, lambda file=file: as_timm(read_weights(file), "x"))  # type: ignore[misc]


def write_peft(folder: Path) -> None:
    """Write a LoRA on the toy network as PEFT saves it."""
    folder.mkdir(parents=True)
    tensors = {"base_model.model.head.weight": torch.rand(2, WIDTH), "base_model.model.head.bias": torch.rand(2)}
    for block in range(2):
        layer = f"base_model.model.blocks.{block}.attn.qkv"
        tensors |= {f"{layer}.lora_A.weight": torch.rand(2, WIDTH), f"{layer}.lora_B.weight": torch.rand(3 * WIDTH, 2)}
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["qkv"], "base_model_name_or_path": "x"}
    config["alpha_pattern"] = {"blocks.1.attn.qkv": 8}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "labels.json").write_text(json.dumps(["a", "b"]))


def _hugging_face(folder: Path) -> Iterator[Reader]:
    """A LoRA of a Hugging Face model, its head and class names beside it, and the files of the model itself."""
    lora, model = folder / "lora", folder / "model"
    for inner in (lora, model):
        inner.mkdir(parents=True)
    stem = "base_model.model.vit.layers.0.attention.q_proj"
    tensors = {f"{stem}.lora_A.weight": torch.rand(2, WIDTH), f"{stem}.lora_B.weight": torch.rand(WIDTH, 2)}
    tensors |= {"base_model.model.classifier.weight": torch.rand(2, WIDTH)}
    save_file(tensors | {"base_model.model.classifier.bias": torch.rand(2)}, lora / "adapter_model.safetensors")
    settings = {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "rank_pattern": {"fc1": 4}}
    settings |= {"peft_type": "LORA", "modules_to_save": ["classifier"], "auto_mapping": {"base_model_class": "X"}}
    (lora / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": str(model)}))
    (lora / "config.json").write_text(json.dumps({"id2label": {"0": "a", "1": "b"}}))
    (model / "config.json").write_text(json.dumps({"model_type": "dinov2", "hidden_size": 48, "patch_size": 4}))
    numbers = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3], "size": {"height": 16, "width": 16}}
    (model / "preprocessor_config.json").write_text(json.dumps(numbers))

    def read_all() -> None:
        read_lora(lora, folder)
        named_network(lora)
        read_config(model / "config.json")
        provider = HuggingFaceVit(model=str(model))
        provider.normalization(), provider.image_size()

    read_all()  # it is valid
    for file in (*lora.iterdir(), *model.iterdir()):
        yield Reader(f"Hugging Face's {file.relative_to(folder)}", file, read_all)
    yield Reader("Hugging Face's files as a folder", folder, read_all, damage=Folder(folder).damage)


def _paper(folder: Path) -> Iterator[Reader]:
    """The layout of the authors' code: one file for each LoRA, its labels beside it."""
    folder.mkdir()
    for number in range(2):
        tensors = {f"fc_{WIDTH}in_2out": torch.rand(2, WIDTH)}
        for index in range(4):
            tensors |= {f"w_a_{index:03d}": torch.rand(2, WIDTH), f"w_b_{index:03d}": torch.rand(WIDTH, 2)}
        save_file(tensors, folder / f"lora_{number}.safetensors")
        (folder / f"global_label_{number}.json").write_text(json.dumps(["a", "b"]))

    def read_all() -> None:
        for path in find_loras(folder):
            read_lora(path, folder)

    read_all()  # it is valid
    for name in ("lora_0.safetensors", "global_label_0.json"):
        yield Reader(f"LoRA Recycle's {name}", folder / name, read_all)
    yield Reader("LoRA Recycle's files as a folder", folder, read_all, damage=Folder(folder).damage)
