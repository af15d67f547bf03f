"""An imported LoRA gives the logits that PEFT gives on the model it tuned: float64, 1e-6, for each family."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from freeshot.contracts.pool import LoraEntry
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.backbone import Backbone, named_backbone
from freeshot.engine.vit.forward import forward
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool.import_pool import import_pool
from freeshot.pool.peft_format import CONFIG, WEIGHTS
from freeshot.pool.propose_backbone import propose_backbone
from freeshot.pool.store import HEAD

SIDE, WIDTH, WAY = 32, 24, 3
SIZES: dict[str, Any] = {
    "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": SIDE, "patch_size": 8, "hidden_size": WIDTH,
}  # fmt: skip
TEXT = {
    "hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 40,
    "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
MLP: dict[str, Any] = {"intermediate_size": 50}
"""Not a multiple of the width, as in SigLIP's largest."""
ATTENTION = {
    r"\battention\.q_proj": "attention.attention.query",
    r"\battention\.k_proj": "attention.attention.key",
    r"\battention\.v_proj": "attention.attention.value",
    r"\battention\.o_proj": "attention.output.dense",
}
OLDER: dict[str, dict[str, str]] = {
    "vit": {
        **ATTENTION,
        r"\blayers(\.\d+)\.": r"encoder.layer\1.",
        r"\bmlp\.fc1": "intermediate.dense",
        r"\bmlp\.fc2": "output.dense",
    },
    "dinov2": ATTENTION,
    "clip": {},
}
"""Names of layers since version 5 of `transformers`, and before; CLIP and SigLIP kept theirs."""
TARGETS = {"vit": "q_proj v_proj o_proj fc1 fc2", "clip": "q_proj v_proj out_proj fc1", "dinov2": "q_proj k_proj fc2"}


def plain(kind: str, end: str = "ForImageClassification", **sizes: Any) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{kind}Config")(**SIZES, **sizes, num_labels=WAY)
    model: nn.Module = getattr(transformers, f"{kind}{end}")(config)
    return model


def with_text_tower(kind: str) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{kind}Config")(vision_config=SIZES | MLP, text_config=TEXT, num_labels=WAY)
    model: nn.Module = getattr(transformers, f"{kind}ForImageClassification")(config)
    return model


FAMILIES: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "ViT": (partial(plain, "ViT", **MLP), "vit", ""),
    "ViT MSN": (partial(plain, "ViTMSN", **MLP), "vit", ""),
    "DeiT": (partial(plain, "DeiT", **MLP), "vit", ""),
    "DINOv2": (partial(plain, "Dinov2"), "dinov2", ""),
    "DINOv2, its class token": (partial(plain, "Dinov2", "Model"), "dinov2", "pooler_output"),
    "DINOv2 with registers": (partial(plain, "Dinov2WithRegisters"), "dinov2", ""),
    "CLIP": (partial(with_text_tower, "CLIP"), "clip", ""),
    "CLIP, projected": (partial(plain, "CLIPVision", "ModelWithProjection", **MLP), "clip", "image_embeds"),
    "CLIP, its class token": (partial(plain, "CLIPVision", "Model", **MLP), "clip", "pooler_output"),
    "SigLIP": (partial(with_text_tower, "Siglip"), "clip", ""),
    "SigLIP, its pooling": (partial(plain, "SiglipVision", "Model", **MLP), "clip", "pooler_output"),
}
"""The model, its targets, and the output below a separately saved head; '' for the model's own classifier."""
SETTINGS: dict[str, Any] = {"r": 3, "lora_alpha": 5, "init_lora_weights": False}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(load_plugins())


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def scattered(model: nn.Module) -> nn.Module:
    """Give every weight a random value, also those that are initialised to zero or one."""
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            around = 1.0 if weight.ndim == 1 and bool((weight == 1).all()) else 0.0
            spread = 0.3 if weight.ndim < 2 else 1 / weight.shape[-1] ** 0.5
            weight.copy_(around + spread * torch.randn(weight.shape, generator=rng))
    return model.eval()


def tuned(model: Any, folder: Path, **settings: Any) -> Any:
    """Return the model with a LoRA, in float64, and save the LoRA with PEFT."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    peft: Any = get_peft_model(model, LoraConfig(**SETTINGS | settings))
    peft.save_pretrained(str(folder))
    return peft.eval().double()


def imported(catalogue: Catalogue, folder: Path = Path("loras"), backbone: str = "") -> tuple[LoraEntry, Backbone]:
    """Import the only LoRA of a folder on the backbone that it names; the backbone in float64."""
    opened = named_backbone(catalogue, backbone or propose_backbone(folder, catalogue))
    (entry,) = import_pool(folder, folder.with_name(f"{folder.name}-pool"), "theirs", opened)[0]
    return entry, replace(opened, vit=opened.vit.double(), normalize=opened.normalize.double())


def our_logits(entry: LoraEntry, backbone: Backbone, images: Tensor) -> Tensor:
    features = forward(backbone, images, LoraBank.of([entry], images)).features
    return features @ entry.head_weight.mT.double() + entry.head_bias.double()


def with_older_names(folder: Path, layers: str) -> Path:
    """Copy a LoRA with the names that `transformers` 4 gave to its layers."""

    def older(text: str) -> str:
        for pattern, name in OLDER[layers].items():
            text = re.sub(pattern, name, text)
        return text

    copy = folder.with_name("older") / folder.name
    copy.mkdir(parents=True)
    save_file({older(name): tensor for name, tensor in load_file(folder / WEIGHTS).items()}, copy / WEIGHTS)
    config = json.loads((folder / CONFIG).read_text())
    names = {name.removeprefix("base_model.model.").rpartition(".lora_")[0] for name in load_file(copy / WEIGHTS)}
    targets = sorted(filter(None, names))
    (copy / CONFIG).write_text(json.dumps(config | {"target_modules": targets}))
    if (folder / HEAD).exists():
        (copy / HEAD).write_bytes((folder / HEAD).read_bytes())
    return copy.parent


@pytest.mark.filterwarnings("ignore")  # imports of peft and transformers raise warnings of other packages
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_peft_on_hugging_faces_model(family: str, images: Tensor, catalogue: Catalogue) -> None:
    make, layers, output = FAMILIES[family]
    model: Any = scattered(make())
    model.save_pretrained("model")
    model.name_or_path = "model"
    targets = rf".*{'vision_model.*' if 'Classification' in type(model).__name__ and layers == 'clip' else ''}"
    targets += rf"layers?\..*\.({'|'.join(TARGETS[layers].split())})"
    head: dict[str, Any] = {} if output else {"modules_to_save": ["classifier"]}
    peft = tuned(model, Path("loras/one"), target_modules=targets, **head)
    if output:
        width = 512 if output == "image_embeds" else WIDTH
        linear = nn.Linear(width, WAY)
        save_file({name: value.detach() for name, value in linear.named_parameters()}, "loras/one/head.safetensors")
    entry, backbone = imported(catalogue)
    with torch.no_grad():
        out = peft(pixel_values=backbone.normalize(images))
        theirs = linear.double()(getattr(out, output)) if output else out.logits
        plain_ours = forward(backbone, images).features @ entry.head_weight.mT.double() + entry.head_bias.double()
        ours = our_logits(entry, backbone, images)
    assert (ours - theirs).abs().max() < 1e-6
    assert (ours - plain_ours).abs().max() > 1e-2
    older, _ = imported(catalogue, with_older_names(Path("loras/one"), layers))
    assert older.factors.keys() == entry.factors.keys()
    for slot, factors in entry.factors.items():
        assert all(map(torch.equal, factors, older.factors[slot]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "v_proj"], "use_rslora": True},
        {"target_modules": ["q_proj", "fc1"], "rank_pattern": {"fc1": 1}, "alpha_pattern": {"layers.1.mlp.fc1": 9}},
        {"target_modules": "all-linear"},
    ],
)
def test_scaling_and_ranks_are_those_of_peft(settings: dict[str, Any], images: Tensor, catalogue: Catalogue) -> None:
    model: Any = scattered(plain("ViT", **MLP))
    model.save_pretrained("model")
    model.name_or_path = "model"
    peft = tuned(model, Path("loras/one"), modules_to_save=["classifier"], **settings)
    entry, backbone = imported(catalogue)
    with torch.no_grad():
        theirs = peft(pixel_values=backbone.normalize(images)).logits
        assert (our_logits(entry, backbone, images) - theirs).abs().max() < 1e-6


@pytest.mark.filterwarnings("ignore")
def test_logits_are_those_of_peft_on_timms_model(images: Tensor, catalogue: Catalogue) -> None:
    import timm

    sizes: dict[str, Any] = {"img_size": SIDE, "patch_size": 8, "embed_dim": WIDTH, "depth": 2, "num_heads": 3}
    model = scattered(timm.create_model("vit_tiny_patch16_224", num_classes=WAY, **sizes))
    save_file(dict(model.state_dict()), "model.safetensors")
    targets = "blocks.*(qkv|proj|fc1|fc2)"
    peft = tuned(model, Path("loras/one"), target_modules=targets, modules_to_save=["head"])
    line = (
        f"timm:model=vit_tiny_patch16_224,side={SIDE},patch=8,width={WIDTH},depth=2,heads=3,weights=model.safetensors"
    )
    entry, backbone = imported(catalogue, backbone=line)
    with torch.no_grad():
        theirs = peft(backbone.normalize(images))
        assert (our_logits(entry, backbone, images) - theirs).abs().max() < 1e-6


@pytest.mark.filterwarnings("ignore")
def test_positions_at_another_size_are_those_of_hugging_face(catalogue: Catalogue) -> None:
    model: Any = scattered(plain("Dinov2"))
    model.save_pretrained("model")
    images = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    backbone = named_backbone(catalogue, "hf:model=model,side=56,features=class+mean")
    ours = replace(backbone, vit=backbone.vit.double(), normalize=backbone.normalize.double())
    with torch.no_grad():
        head = model.double().classifier
        theirs = model(pixel_values=ours.normalize(images)).logits
        assert (head(forward(ours, images).features) - theirs).abs().max() < 1e-6
