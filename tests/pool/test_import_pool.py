"""Third-party LoRAs are imported with equal features, or an error names the file and the problem."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraPool
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward
from freeshot.pool.external_formats import read_lora
from freeshot.pool.import_pool import import_pool
from freeshot.testing.toy import DEPTH, WIDTH

ADAPTER, HEAD, CONFIG = "adapter_model.safetensors", "head.safetensors", "adapter_config.json"
SavePeft = Callable[..., Path]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """Return four pictures."""
    return torch.rand(4, 3, 16, 16, generator=rng(1))


@pytest.fixture
def save_peft(tmp_path: Path, backbone: Backbone) -> SavePeft:
    """Return a function that saves a LoRA of the toy network with PEFT, with head and labels beside it."""

    def save(name: str = "mine", seed: int = 0, labels: Any = ("cat", "dog"), **options: Any) -> Path:
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        requested: dict[str, Any] = {"r": 3, "lora_alpha": 5, "target_modules": ["qkv"], "init_lora_weights": False}
        config = LoraConfig(**requested | options)
        model: Any = get_peft_model(copy.deepcopy(backbone.vit), config)
        folder = tmp_path / "loras" / name
        model.save_pretrained(str(folder))
        save_file({"weight": torch.randn(2, WIDTH), "bias": torch.randn(2)}, folder / HEAD)
        if labels is not None:
            (folder / "labels.json").write_text(json.dumps(labels))
        return folder

    return save


def imported(folder: Path, backbone: Backbone, **options: Any) -> LoraPool:
    return import_pool(folder, folder.parent / "pool", "theirs", backbone, **options)[0]


def refusal(folder: Path, backbone: Backbone, **options: Any) -> str:
    with pytest.raises(PoolError) as caught:
        imported(folder, backbone, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(folder: Path, file: str, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / file).items()}
    change(tensors)
    save_file(tensors, folder / file)


@pytest.mark.filterwarnings("default")  # peft's imports raise warnings of other packages
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"target_modules": ["qkv", "attn.proj", "fc1", "fc2"]},
        {"target_modules": ["qkv", "fc1"], "rank_pattern": {"mlp.fc1": 1}, "alpha_pattern": {"attn.qkv": 2}},
    ],
)
def test_a_lora_saved_by_peft_gives_the_features_of_peft(
    save_peft: SavePeft, backbone: Backbone, images: Tensor, options: dict[str, Any]
) -> None:
    from peft import PeftModel

    folder = save_peft(**options)
    (entry,) = imported(folder.parent, backbone).entries
    peft: Any = PeftModel.from_pretrained(copy.deepcopy(backbone.vit), str(folder)).eval()
    with torch.no_grad():
        theirs = peft.base_model.model(backbone.normalize(images))
    ours = forward(backbone, images, LoraBank.of([entry], images)).features
    assert torch.allclose(theirs, ours, atol=1e-5)
    assert (theirs - forward(backbone, images).features).abs().max() > 0.05
    assert torch.equal(entry.head_bias, load_file(folder / HEAD)["bias"])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "is not a JSON object"),
        ({"lora_alpha": "8"}, "has a lora_alpha of '8', which is not a positive number"),
        ({"lora_alpha": -1}, "has a lora_alpha of -1"),
        ({"alpha_pattern": 3}, "has an invalid alpha_pattern: expected layer names"),
        ({"alpha_pattern": {"(a+)+b": 2}}, "or simple patterns of them"),  # exponential time
        ({"alpha_pattern": {"(": 2}}, "or simple patterns of them"),
        (
            {"alpha_pattern": {"(?i)qkv": 4}},
            "or simple patterns of them",
        ),  # valid alone, invalid inside the pattern of PEFT
        ({"use_qalora": True}, "sets use_qalora, which is more than B·A"),
        ({"alpha_pattern": {"qkv": [1]}}, "has a lora_alpha of [1]"),
    ],
)
def test_invalid_settings_are_refused(save_peft: SavePeft, backbone: Backbone, config: Any, message: str) -> None:
    folder = save_peft()
    original = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(original | config if isinstance(config, dict) else config))
    assert message in refusal(folder.parent, backbone)


@pytest.mark.filterwarnings("default")  # peft's imports raise warnings of other packages
@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora"])
def test_a_lora_whose_initialisation_changed_the_network_is_refused(
    save_peft: SavePeft, backbone: Backbone, start: str
) -> None:
    folder = save_peft(init_lora_weights=start).parent
    assert f"has init_lora_weights='{start}', which changed the network itself" in refusal(folder, backbone)


def test_a_name_too_long_for_a_layer_is_not_matched_with_patterns(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft()
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"alpha_pattern": {".*.*.*x": 2}}))
    edit(
        folder,
        ADAPTER,
        lambda tensors: tensors.update({f"{'a.' * 400}{key}": tensors.pop(key) for key in list(tensors)}),
    )
    assert "which is not a supported linear layer" in refusal(folder.parent, backbone)


def split_names(block: int) -> dict[str, str]:
    """Return the names of q and v of a block in Hugging Face's CLIP and ViT."""
    return {
        "q": f"vision_model.encoder.layers.{block}.self_attn.q_proj",
        "v": f"encoder.layer.{block}.attention.attention.value",
    }


@pytest.mark.parametrize("target", ["q", "v"])
def test_split_projections_become_their_rows_of_the_fused_layer(
    tmp_path: Path, backbone: Backbone, images: Tensor, target: str
) -> None:
    folder = tmp_path / "loras" / "clip"
    folder.mkdir(parents=True)
    a, b = torch.randn(2, WIDTH, generator=rng(0)), torch.randn(WIDTH, 2, generator=rng(1))
    stem = f"base_model.model.{split_names(1)[target]}"
    save_file({f"{stem}.lora_A.weight": a, f"{stem}.lora_B.weight": b}, folder / ADAPTER)
    save_file({"weight": torch.randn(3, WIDTH), "bias": torch.randn(3)}, folder / HEAD)
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4}))
    (entry,) = imported(folder.parent, backbone).entries
    vit: Any = copy.deepcopy(backbone.vit)
    start = "qkv".index(target) * WIDTH
    vit.blocks[1].attn.qkv.weight.data[start : start + WIDTH] += 2 * b @ a
    ours = forward(backbone, images, LoraBank.of([entry], images)).features
    assert torch.allclose(ours, vit(backbone.normalize(images)), atol=1e-5)


@pytest.fixture
def paper_folder(tmp_path: Path) -> Path:
    """Return two LoRAs in the layout of the authors' code: q and v in turn, a head without bias."""
    folder = tmp_path / "lorahub" / "5way"
    folder.mkdir(parents=True)
    for lora in range(2):
        tensors = {f"fc_{WIDTH}in_5out": torch.randn(5, WIDTH, generator=rng(lora))}
        for index in range(2 * DEPTH):
            tensors[f"w_a_{index:03d}"] = torch.randn(4, WIDTH, generator=rng(100 * lora + index))
            tensors[f"w_b_{index:03d}"] = torch.randn(WIDTH, 4, generator=rng(200 * lora + index)) * 0.1
        save_file(tensors, folder / f"lora_{lora}.safetensors")
        (folder / f"global_label_{lora}.json").write_text(json.dumps([3 * lora + n for n in range(5)]))
    return folder


def test_the_authors_layout_alternates_q_and_v(paper_folder: Path, backbone: Backbone, images: Tensor) -> None:
    pool = imported(paper_folder.parent, backbone, missing_bias="zero")
    assert [entry.name for entry in pool.entries] == ["5way-lora_0", "5way-lora_1"]
    theirs = load_file(paper_folder / "lora_1.safetensors")
    vit: Any = copy.deepcopy(backbone.vit)
    for block in range(DEPTH):
        weight = vit.blocks[block].attn.qkv.weight.data
        weight[:WIDTH] += theirs[f"w_b_{2 * block:03d}"] @ theirs[f"w_a_{2 * block:03d}"]
        weight[2 * WIDTH :] += theirs[f"w_b_{2 * block + 1:03d}"] @ theirs[f"w_a_{2 * block + 1:03d}"]
    ours = forward(backbone, images, LoraBank.of(pool.entries[1:], images)).features
    assert torch.allclose(ours, vit(backbone.normalize(images)), atol=1e-4)


def test_classes_of_the_same_name_are_the_same_class(paper_folder: Path, backbone: Backbone) -> None:
    first, second = imported(paper_folder.parent, backbone, missing_bias="zero").entries
    assert first.class_ids == (0, 1, 2, 3, 4)
    assert second.class_ids == (3, 4, 5, 6, 7)


def test_a_bias_that_was_not_saved_is_refused_unless_zero_is_requested(paper_folder: Path, backbone: Backbone) -> None:
    message = refusal(paper_folder.parent, backbone)
    assert message.startswith(f"{paper_folder / 'lora_0.safetensors'}: the head has no bias")
    assert message.endswith("(and 1 more; --skip-bad skips such LoRAs)")
    (entry, _) = imported(paper_folder.parent, backbone, missing_bias="zero").entries
    assert entry.facts["head_bias"] == "missing, taken as zero"


@pytest.mark.parametrize("name", ["w_a_00r", "w_a_0 1", "w_a_", "w_a_-1", "w_a_" + "9" * 5000])
def test_a_factor_without_a_layer_number_is_refused(paper_folder: Path, name: str) -> None:
    file = paper_folder / "lora_0.safetensors"
    edit(paper_folder, file.name, lambda tensors: tensors.update({name: tensors.pop("w_a_000")}))
    with pytest.raises(PoolError, match="which does not end in a layer number"):
        read_lora(file, paper_folder)


def test_a_layer_with_an_endless_number_is_refused(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft()
    end = "attn.qkv.lora_{}.weight"
    old, new = "base_model.model.blocks.0." + end, "base_model.model.blocks." + "9" * 5000 + "." + end
    moved = {old.format(letter): new.format(letter) for letter in "AB"}
    edit(folder, ADAPTER, lambda tensors: [tensors.update({moved[k]: tensors.pop(k)}) for k in moved])
    assert "which is not a supported linear layer" in refusal(folder.parent, backbone)


def test_pickled_labels_are_never_opened(paper_folder: Path) -> None:
    (paper_folder / "global_label_0.json").unlink()
    (paper_folder / "global_label_0.pth").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(PoolError, match=r"global_label_0\.pth is a pickle, .* Save its list as global_label_0\.json\."):
        read_lora(paper_folder / "lora_0.safetensors", paper_folder)


def test_pickled_weights_are_never_opened(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft()
    (folder / ADAPTER).unlink()
    (folder / "adapter_model.bin").write_bytes(b"no")
    assert "adapter_model.bin is a pickle, which is never opened" in refusal(folder.parent, backbone)


def test_a_lora_without_labels_has_classes_of_its_own(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft("a", labels=None).parent
    save_peft("b", labels=None)
    assert [e.classes for e in imported(folder, backbone).entries] == [("a/0", "a/1"), ("b/0", "b/1")]


def test_a_bad_lora_can_be_left_out_and_is_named(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft("good").parent
    edit(save_peft("ill"), ADAPTER, lambda tensors: next(iter(tensors.values())).fill_(torch.nan))
    pool, (why,) = import_pool(folder, folder.parent / "pool", "theirs", backbone, skip_bad=True)
    assert [entry.name for entry in pool.entries] == ["good"]
    assert why.startswith(f"{folder / 'ill' / ADAPTER} contains values that are not finite.")


def test_a_folder_without_loras_is_an_error(tmp_path: Path, backbone: Backbone) -> None:
    assert refusal(tmp_path, backbone).startswith(
        f"{tmp_path} contains no LoRA: neither folders with an adapter_config"
    )


def drop_head(folder: Path) -> None:
    (folder / HEAD).unlink()


def widen_head(folder: Path) -> None:
    edit(folder, HEAD, lambda tensors: tensors.update(weight=torch.ones(2, WIDTH + 1)))


def silence(folder: Path) -> None:
    edit(folder, ADAPTER, lambda tensors: [t.zero_() for name, t in tensors.items() if "lora_B" in name])


def orphan(folder: Path) -> None:
    edit(folder, ADAPTER, lambda tensors: tensors.pop(next(name for name in tensors if "lora_B" in name)))


def add_tensor(folder: Path) -> None:
    edit(folder, ADAPTER, lambda tensors: tensors.update(stray=torch.ones(1)))


def narrow(folder: Path) -> None:
    edit(
        folder,
        ADAPTER,
        lambda tensors: tensors.update({n: t[:, 1:].contiguous() for n, t in tensors.items() if "lora_A" in n}),
    )


def set_config(**options: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | options))

    return change


def set_labels(*labels: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "labels.json").write_text(json.dumps(labels))

    return change


def truncate(folder: Path) -> None:
    (folder / ADAPTER).write_bytes((folder / ADAPTER).read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (drop_head, "has no head. Save its weight [classes, features] and bias as head.safetensors."),
        (widen_head, f"the head reads {WIDTH + 1} features, but toy-vit gives {WIDTH}."),
        (silence, "all lora_B are zero, so this LoRA has no effect."),
        (orphan, "do not match"),
        (add_tensor, "also holds 'stray', which is neither a factor of a LoRA nor a head."),
        (narrow, f"the LoRA maps {WIDTH - 1} to {3 * WIDTH} features, but blocks.0.attn.qkv of toy-vit maps {WIDTH}"),
        (set_config(peft_type="IA3"), "is an adapter of type IA3, not LORA."),
        (set_config(use_dora=True), "sets use_dora, which is more than B·A."),
        (set_config(bias="all"), "tunes biases as well (all)."),
        (set_labels("cat"), "has a head of 2 classes, but 1 labels."),
        (truncate, "cannot be read ("),
    ],
)
def test_an_error_names_the_file_and_the_problem(
    save_peft: SavePeft, backbone: Backbone, damage: Callable[[Path], None], expected: str
) -> None:
    folder = save_peft()
    damage(folder)
    message = refusal(folder.parent, backbone)
    assert message.startswith(str(folder))
    assert expected in message


def test_loras_of_two_networks_are_refused_as_a_pool(save_peft: SavePeft, backbone: Backbone) -> None:
    first, second = save_peft("one"), save_peft("other", seed=1)
    set_config(base_model_name_or_path="vit-a")(first)
    set_config(base_model_name_or_path="vit-b")(second)
    assert refusal(first.parent, backbone) == (
        f"{second / ADAPTER} was tuned on 'vit-b', but {first / ADAPTER} on 'vit-a'. Make separate pools."
    )
    assert len(imported(first.parent, backbone, skip_bad=True)) == 1


@pytest.mark.parametrize("card", ["mine/freeshot.json", "pool.json"])
def test_the_network_hash_on_a_card_must_match(save_peft: SavePeft, backbone: Backbone, card: str) -> None:
    folder = save_peft()
    (folder.parent / card).write_text(json.dumps({"backbone_sha256": backbone.sha256}))
    assert len(imported(folder.parent, backbone)) == 1
    (folder.parent / card).write_text(json.dumps({"backbone_sha256": "0" * 64}))
    assert "with the hash 00000000…, but toy-vit has " in refusal(folder, backbone)


@pytest.mark.parametrize("labels", [{"a": 1}, ["a", 0.5], ["a", None], ["a", "\ud800"], "ab"])
def test_labels_that_are_not_a_list_of_names_are_refused(
    save_peft: SavePeft, backbone: Backbone, labels: object
) -> None:
    folder = save_peft(labels=labels)
    assert f"{folder / 'labels.json'} must be a JSON list of class names" in refusal(folder.parent, backbone)


def test_an_unsupported_layer_is_named(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft()
    tensors = load_file(folder / ADAPTER)
    renamed = {name.replace("blocks.0.attn.qkv", "text.embed"): tensor for name, tensor in tensors.items()}
    save_file(renamed, folder / ADAPTER)
    assert "tunes the layer text.embed, which is not a supported linear layer" in refusal(folder.parent, backbone)


def test_an_existing_pool_is_not_overwritten(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft().parent
    imported(folder, backbone)
    assert refusal(folder, backbone).endswith(
        "already holds a pool. Choose another --out, or delete that folder first."
    )


@pytest.mark.parametrize("file", [ADAPTER, CONFIG, HEAD, "labels.json"])
def test_a_lora_that_is_not_a_regular_file_does_not_block(save_peft: SavePeft, backbone: Backbone, file: str) -> None:
    folder = save_peft()
    (folder / file).unlink()
    os.mkfifo(folder / file)
    assert f"{folder / file} cannot be read (it is not a regular file)." in refusal(folder.parent, backbone)


@pytest.mark.parametrize("name", ["a\nb", "x" * 220, "\udcff"])
def test_a_lora_with_an_invalid_folder_name_is_refused(save_peft: SavePeft, backbone: Backbone, name: str) -> None:
    folder = save_peft()
    folder.rename(folder.with_name(name))
    assert "has a name that is not a valid folder name on all systems" in refusal(folder.parent, backbone)
    assert not (folder.parents[1] / "pool").exists()


def test_folder_names_with_different_decimals_stay_different_loras(save_peft: SavePeft, backbone: Backbone) -> None:
    folder = save_peft("lr0.01", seed=1).parent
    save_peft("lr0.001", seed=2)
    pool = imported(folder, backbone)
    assert [entry.name for entry in pool.entries] == ["lr0.001", "lr0.01"]
    assert not torch.equal(*[entry.head_weight for entry in pool.entries])


@pytest.mark.parametrize(("first", "second"), [("a/b", "a-b"), ("Cat", "cat")])
def test_two_loras_never_share_a_folder_of_the_pool(
    save_peft: SavePeft, backbone: Backbone, tmp_path: Path, first: str, second: str
) -> None:
    save_peft(first)
    save_peft(second)
    loras = tmp_path / "loras"
    assert " in the pool. Rename one of them." in refusal(loras, backbone)
    assert not (tmp_path / "pool").exists()
    assert len(imported(loras, backbone, skip_bad=True).entries) == 1
