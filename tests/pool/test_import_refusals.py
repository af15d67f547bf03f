"""An error about a third-party LoRA names the file, what was expected, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from freeshot.basics.errors import FreeshotError, OptionError, PoolError
from freeshot.contracts.pool import LoraEntry
from freeshot.engine.vit.backbone import Backbone
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool.external_formats import find_loras
from freeshot.pool.import_pool import import_pool
from freeshot.pool.peft_format import CONFIG, WEIGHTS
from freeshot.pool.propose_backbone import propose_backbone
from freeshot.testing.toy import WIDTH

QKV, HEAD = "blocks.{}.attn.qkv", "head.safetensors"
Change = Callable[[Path], object]


def factors(layer: str, rank: int = 2, out: int = 3 * WIDTH) -> dict[str, Tensor]:
    stem = f"base_model.model.{layer}"
    return {f"{stem}.lora_A.weight": torch.ones(rank, WIDTH), f"{stem}.lora_B.weight": torch.ones(out, rank)}


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    """Return a LoRA on qkv of two blocks of the toy network, with a head of two classes in the file."""
    folder = tmp_path / "loras" / "mine"
    folder.mkdir(parents=True)
    tensors = {name: t for block in range(2) for name, t in factors(QKV.format(block)).items()}
    tensors |= {"base_model.model.classifier.weight": torch.ones(2, WIDTH)}
    tensors |= {"base_model.model.classifier.bias": torch.ones(2)}
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["qkv"]}))
    return folder


def imported(lora: Path, backbone: Backbone) -> LoraEntry:
    (entry,) = import_pool(lora.parent, lora.parent.with_name("pool"), "theirs", backbone)[0]
    return entry


def refusal(lora: Path, backbone: Backbone) -> str:
    with pytest.raises(PoolError) as caught:
        imported(lora, backbone)
    return str(caught.value).replace(f"{lora}/", "").replace(str(lora), "DIR")


def settings(**values: Any) -> Change:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text()) | values
        (folder / CONFIG).write_text(json.dumps({key: value for key, value in config.items() if value != "absent"}))

    return change


def tensors(change: Callable[[dict[str, Tensor]], object], file: str = WEIGHTS) -> Change:
    def apply(folder: Path) -> None:
        loaded = load_file(folder / file) if (folder / file).exists() else {}
        change(loaded)
        save_file(loaded, folder / file)

    return apply


def renamed(old: str, new: str) -> Change:
    return tensors(lambda t: [t.update({name.replace(old, new): t.pop(name)}) for name in list(t)])


def text(file: str, content: object) -> Change:
    return lambda folder: (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))


def also(layer: str, out: int = WIDTH) -> Change:
    return lambda folder: (
        tensors(lambda t: t.update(factors(layer, out=out)))(folder),
        settings(target_modules=["qkv", layer.rpartition(".")[2]])(folder),
    )


CASES: dict[str, tuple[Change, str]] = {
    "config missing": (
        lambda folder: (folder / CONFIG).unlink(),
        f"{WEIGHTS} has no {CONFIG} beside it. Copy that file here; PEFT saves both.",
    ),
    "weights missing": (
        lambda folder: (folder / WEIGHTS).unlink(),
        f"{WEIGHTS} does not exist, although {CONFIG} does. Copy it there; PEFT saves both.",
    ),
    "no tensors": (tensors(lambda t: t.clear()), f"{WEIGHTS} has no LoRA factors. Export the adapter again."),
    "empty file": (lambda folder: (folder / WEIGHTS).write_bytes(b""), f"{WEIGHTS} cannot be read ("),
    "rank of another config": (
        settings(r=8),
        (f"{WEIGHTS} has factors of rank 2 for blocks.0.attn.qkv, but the {CONFIG} beside it states 8. Export the "
        "adapter again, so that the two belong together."),
    ),
    "rank of another pattern": (settings(rank_pattern={"blocks.1.attn.qkv": 4}), "for blocks.1.attn.qkv, but the "),
    "slow pattern": (settings(rank_pattern={"(a+)+b": 2}), f"{CONFIG} has an invalid rank_pattern: expected layer"),
    "other targets": (
        settings(target_modules="blocks.*fc1"),
        f"{WEIGHTS} has factors of blocks.0.attn.qkv, which the target_modules of the {CONFIG} beside it do not match.",
    ),
    "target without factors": (
        settings(target_modules=["qkv", "fc1"]),
        (f"{WEIGHTS} has no factors of fc1, which the target_modules of the {CONFIG} beside it name. Export the "
        "adapter again, or remove them there."),
    ),
    "alpha missing": (
        settings(lora_alpha="absent"),
        (f"{CONFIG} has no lora_alpha, so the scale of the LoRA is unknown. Add the value of its training; PEFT's "
        "default is 8."),
    ),
    "rank 0": (settings(r=0), f"{CONFIG} has a rank r of 0, which is not a positive integer. Export it again."),
    "rank missing": (settings(r="absent"), f"{CONFIG} has a rank r of None, which is not a positive integer."),
    "DoRA": (
        settings(use_dora=True),
        (f"{CONFIG} sets use_dora, which is more than B·A. DoRA also rescales the rows of the weights. Train with "
        "use_dora=False."),
    ),
    "fan in, fan out": (
        settings(fan_in_fan_out=True),
        f"{CONFIG} sets fan_in_fan_out, which is more than B·A. It is for layers with transposed weights.",
    ),
    "biased factors": (settings(lora_bias=True), f"{CONFIG} sets lora_bias, which is more than B·A. It adds biases"),
    "KaSA": (settings(kasa_config={"a": 1}), f"{CONFIG} sets kasa_config, which is more than B·A. KaSA truncates"),
    "LoRA-GA": (settings(init_lora_weights="lora_ga"), f"{CONFIG} has init_lora_weights='lora_ga', which changed"),
    "LoHa": (
        settings(peft_type="LOHA"),
        (f"{CONFIG} is an adapter of type LOHA, not LORA. LoHa adds a Hadamard product of two low-rank matrices. Only "
        "LoRAs can be pooled: train with LoraConfig."),
    ),
    "LoKr": (settings(peft_type="LOKR"), f"{CONFIG} is an adapter of type LOKR, not LORA. LoKr adds a Kronecker"),
    "IA3": (settings(peft_type="IA3"), f"{CONFIG} is an adapter of type IA3, not LORA. IA³ rescales activations."),
    "nested config": (
        text(CONFIG, {"default": {"peft_type": "LORA", "use_dora": True, "r": 2, "lora_alpha": 4}}),
        f"{CONFIG} holds its settings under 'default', but PEFT writes them at the top level. Move them there.",
    ),
    "text model by its task": (
        settings(task_type="CAUSAL_LM"),
        f"{CONFIG} is of a text model (task_type CAUSAL_LM). Import LoRAs of a vision transformer.",
    ),
    "text model by its layers": (
        lambda folder: (renamed("blocks.", "model.layers.")(folder), renamed("attn.qkv", "self_attn.q_proj")(folder)),
        "which is not a supported linear layer: it is a part of a text model. Import LoRAs of a vision transformer.",
    ),
    "text tower": (
        also("text_model.encoder.layers.0.self_attn.q_proj"),
        ("tunes the layer text_model.encoder.layers.0.self_attn.q_proj, which is not a supported linear layer: it is a "
        "part of a text model. Train without it: target_modules='blocks.*qkv'."),
    ),
    "BEiT": (
        renamed("blocks.", "beit.layers."),
        ("tunes the layer beit.layers.0.attn.qkv, which is not a supported linear layer: it is a part of BEiT, whose "
        "attention adds a relative position bias. Import LoRAs of a vision transformer."),
    ),
    "patch embedding": (
        lambda folder: (
            also("blocks.0.attn.proj")(folder),
            tensors(lambda t: t.update({
                "base_model.model.patch_embed.proj.lora_A.weight": torch.ones(2, 3, 4, 4),
                "base_model.model.patch_embed.proj.lora_B.weight": torch.ones(WIDTH, 2, 1, 1),
            }))(folder),
        ),
        (f"{WEIGHTS} tunes the layer patch_embed.proj, which is not a supported linear layer: it is the patch "
        "embedding. Train without it: target_modules='blocks.*(proj|qkv)'."),
    ),
    "tuned classifier": (
        also("classifier", out=2),
        ("tunes the layer classifier, which is not a supported linear layer: it is the classifier, whose full weights "
        "modules_to_save would keep."),
    ),
    "two layers for one": (
        lambda folder: (
            tensors(lambda t: t.update(factors("encoder.blocks.0.attn.qkv")))(folder),
        ),
        f"{WEIGHTS} tunes qkv of block 0 twice, also as encoder.blocks.0.attn.qkv. Import one network.",
    ),
    "head of other names": (
        lambda folder: (
            renamed("classifier", "ignored")(folder),
            tensors(lambda t: [t.pop(name) for name in list(t) if "ignored" in name])(folder),
            save_file({"fc.weight": torch.ones(2, WIDTH), "fc.bias": torch.ones(2)}, folder / HEAD),
        ),
        f"{HEAD} holds fc.bias, fc.weight; expected weight [classes, features] and bias [classes]. Rename its tensors.",
    ),
    "two heads": (
        tensors(lambda t: t.update({"base_model.model.score.weight": torch.ones(2, WIDTH)})),
        f"{WEIGHTS} holds 2 heads: base_model.model.classifier, base_model.model.score. Save the tuned one as {HEAD}.",
    ),
    "two different heads": (
        lambda folder: save_file({"weight": torch.zeros(2, WIDTH)}, folder / HEAD),
        f"{WEIGHTS} holds a head, and {HEAD} another. Remove the one that was not tuned.",
    ),
    "head of two layers": (
        renamed("classifier.", "classifier.out."),
        (f"{WEIGHTS} has a head of several tensors (base_model.model.classifier.out.bias, "
        "base_model.model.classifier.out.weight). A head must be one linear layer. Train with such a head, or save it "
        "as head.safetensors."),
    ),
    "broken labels": (
        text("labels.json", "['cat', 'dog']"),
        ("labels.json cannot be read (Expecting value: line 1 column 2 (char 1)). Correct it: a JSON list of class "
        "names, one for each output of the head."),
    ),
    "a label twice": (text("labels.json", ["cat", "cat"]), "two outputs of the head have the name 'cat'. Correct the"),
    "id2label of another length": (
        text("config.json", {"id2label": {"0": "cat"}}),
        "config.json names 1 classes (id2label), but the head has 2 outputs, numbered from 0. Correct id2label.",
    ),
    "id2label of other numbers": (text("config.json", {"id2label": {"1": "a", "2": "b"}}), "config.json names 2 cl"),
    "id2label as a list": (text("config.json", {"id2label": ["a", "b"]}), "config.json has an invalid id2label"),
    "broken model config": (text("config.json", "{"), "config.json cannot be read ("),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_error_names_the_file_and_what_to_do(case: str, lora: Path, backbone: Backbone) -> None:
    damage, expected = CASES[case]
    damage(lora)
    assert expected in refusal(lora, backbone)


def test_a_valid_lora_is_imported(lora: Path, backbone: Backbone) -> None:
    assert imported(lora, backbone).classes == ("mine/0", "mine/1")


@pytest.mark.parametrize(
    "name", ["score", "head", "fc", "model.classifier", "timm_model.head", "classifier.modules_to_save.default"]
)
def test_a_head_with_any_usual_name_is_read_from_the_adapters_file(name: str, lora: Path, backbone: Backbone) -> None:
    renamed("classifier", name)(lora)
    assert torch.equal(imported(lora, backbone).head_bias, torch.ones(2))


@pytest.mark.parametrize(
    ("config", "labels", "expected"),
    [
        ({"id2label": {"1": "dog", "0": "cat"}}, ["a", "b"], ("cat", "dog")),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, ["a", "b"], ("a", "b")),
        ({"hidden_size": 48}, ["a", "b"], ("a", "b")),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, None, ("mine/0", "mine/1")),
    ],
)
def test_class_names_come_from_the_models_config_then_labels_then_numbers(
    config: object, labels: object, expected: tuple[str, ...], lora: Path, backbone: Backbone
) -> None:
    text("config.json", config)(lora)
    if labels:
        text("labels.json", labels)(lora)
    assert imported(lora, backbone).classes == expected


@pytest.mark.parametrize("name", ["missing", "x" * 300])
def test_a_folder_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=rf"{name} cannot be read \(.*\)\. Choose a folder of LoRAs\.$"):
        find_loras(tmp_path / name)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(load_plugins())


def test_the_proposed_backbone_of_our_own_adapters_is_that_in_their_config(lora: Path, catalogue: Catalogue) -> None:
    settings(base_model_name_or_path="toy-vit")(lora)
    assert propose_backbone(lora.parent, catalogue) == "toy-vit"


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (None, "do not name the network they were tuned on (base_model_name_or_path). Set --backbone, such as timm:"),
        ("./nowhere", "were tuned on './nowhere', which is not a folder here, a hub id or a name in timm. Set --back"),
        ("vit_tiny_patch16_224", "as in --backbone timm:model=vit_tiny_patch16_224,weights=FILE; FREESHOT_WEIGHTS"),
        ("google/vit-base-patch16-224", "or fetch it with 'hf download google/vit-base-patch16-224 config.json prep"),
        ("facebook/dinov2-small", "model.safetensors'. Or set --backbone dinov2-vit-s14."),
    ],
)
def test_for_missing_weights_the_error_gives_the_option_to_set(
    network: str | None, expected: str, lora: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lora)
    settings(base_model_name_or_path=network)(lora)
    with pytest.raises(OptionError) as caught:
        propose_backbone(lora.parent, catalogue)
    assert expected in str(caught.value)


MODEL = {"model_type": "vit", "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"model_type": "beit"},
            "of type 'beit', which LoRAs are not supported on here: its attention adds a relative",
        ),
        ({"model_type": "llama"}, "of type 'llama', which LoRAs are not supported on here. Supported are vit, "),
        ({"model_type": "dinov2", "use_swiglu_ffn": True}, "describes a model with SwiGLU MLPs, which are not"),
        (MODEL | {"num_channels": 1}, "describes a model with 1 input channels, which are not supported."),
        (MODEL | {"hidden_size": "wide"}, "is not a valid config (hidden_size: Input should be a valid integer"),
        ([], "is not a JSON object."),
        (MODEL, "has no model.safetensors. Save the model there with save_pretrained"),
    ],
)
def test_an_unsupported_model_is_refused_by_its_config(
    config: object, expected: str, lora: Path, catalogue: Catalogue
) -> None:
    text("config.json", config)(lora)
    settings(base_model_name_or_path=str(lora))(lora)
    with pytest.raises(FreeshotError) as caught:
        propose_backbone(lora.parent, catalogue)
    assert expected in str(caught.value)
