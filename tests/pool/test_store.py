"""A pool is loaded as it was written, or an error names the invalid file and the problem."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.lora.bank import TARGETS, LoraBank
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward
from freeshot.pool.store import open_pool, write_entry
from freeshot.testing.toy import POOL, WIDTH

MakeEntry = Callable[..., LoraEntry]
WritePool = Callable[..., Path]
ADAPTER, HEAD = "adapter_model.safetensors", "head.safetensors"
QKV = "blocks.0.attn.qkv"


@pytest.fixture
def pool(tmp_path: Path, make_entry: MakeEntry, write_pool: WritePool) -> Path:
    """Return a folder with two good LoRAs."""
    return write_pool(tmp_path / "pool", make_entry(0), make_entry(1, rank=3))


@pytest.fixture
def images() -> Tensor:
    """Return four pictures."""
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def refusal(folder: Path, backbone_hash: str | None = None) -> str:
    with pytest.raises(PoolError) as caught:
        open_pool(folder, backbone_hash)
    message = str(caught.value)
    assert "\n" not in message
    return message


def edit_card(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "pool.json").read_text())
    edit(card)
    (folder / "pool.json").write_text(json.dumps(card))


def edit_tensors(folder: Path, file: str, edit: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the first LoRA's tensors and update the hash in the card."""
    path = folder / "lora-000" / file
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    edit(tensors)
    save_file(tensors, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_card(folder, lambda card: card["loras"][0]["sha256"].update({file: sha256}))


def first_b(tensors: dict[str, Tensor]) -> Tensor:
    return tensors["base_model.model.blocks.0.attn.qkv.lora_B.weight"]


def test_a_pool_is_loaded_as_it_was_written(pool: Path, make_entry: MakeEntry, backbone: Backbone) -> None:
    opened = open_pool(pool, backbone.sha256)
    assert (opened.name, opened.backbone, opened.license) == ("small", "toy-vit", "toy-waves: Apache-2.0")
    for actual, written in zip(opened.entries, [make_entry(0), make_entry(1, rank=3)], strict=True):
        for field in ("name", "rank", "classes", "class_ids", "facts"):
            assert getattr(actual, field) == getattr(written, field)
        assert set(actual.factors) == set(written.factors)
        for slot, parts in actual.factors.items():
            assert all(torch.equal(t, u) for t, u in zip(parts, written.factors[slot], strict=True))
        assert torch.equal(actual.head_weight, written.head_weight)
        assert torch.equal(actual.head_bias, written.head_bias)


def test_the_shipped_toy_pool_is_valid(backbone: Backbone) -> None:
    assert len(open_pool(POOL, backbone.sha256)) == 4


def test_a_pools_identity_is_that_of_its_card(pool: Path, tmp_path: Path) -> None:
    first = open_pool(pool).sha256
    shutil.copytree(pool, tmp_path / "copy")
    assert open_pool(tmp_path / "copy").sha256 == first
    edit_card(pool, lambda card: card["loras"][0]["facts"].update(held_out_accuracy=0.5))
    assert open_pool(pool).sha256 != first


def test_loras_on_every_linear_layer_are_loaded_as_written(
    tmp_path: Path, make_entry: MakeEntry, write_pool: WritePool
) -> None:
    written = make_entry(0, targets=TARGETS)
    (actual,) = open_pool(write_pool(tmp_path, written)).entries
    assert set(actual.factors) == set(written.factors)
    for slot, parts in actual.factors.items():
        assert all(torch.equal(t, u) for t, u in zip(parts, written.factors[slot], strict=True))


@pytest.mark.filterwarnings("default")  # peft's imports raise warnings of other packages
@pytest.mark.parametrize("targets", [("q", "v"), ("v", "fc1"), TARGETS])
def test_peft_loads_each_lora_with_the_same_features(
    tmp_path: Path,
    make_entry: MakeEntry,
    write_pool: WritePool,
    backbone: Backbone,
    images: Tensor,
    targets: tuple[str, ...],
) -> None:
    from peft import PeftModel

    pool = write_pool(tmp_path, make_entry(0, targets=targets), make_entry(1, rank=3, targets=targets))
    for entry in open_pool(pool).entries:
        vit: Any = copy.deepcopy(backbone.vit)
        peft: Any = PeftModel.from_pretrained(vit, str(pool / entry.name)).eval()
        with torch.no_grad():
            features = peft.base_model.model(backbone.normalize(images))
        ours = forward(backbone, images, LoraBank.of([entry], images)).features
        assert torch.allclose(features, ours, atol=1e-4)
        assert (features - forward(backbone, images).features).abs().max() > 0.1


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} is not a pool: it has no pool.json. Build one with 'freeshot pool build'."


def test_a_card_that_is_not_json_is_named(pool: Path) -> None:
    (pool / "pool.json").write_text('{"format": 2, ')
    assert refusal(pool).startswith(f"{pool / 'pool.json'} cannot be read (Expecting property name")


def invalid(folder: Path, problem: str) -> str:
    return f"{folder / 'pool.json'} is not a valid card ({problem}). Build or import the pool again."


@pytest.mark.parametrize("card", [[], None])
def test_a_card_that_is_not_an_object_is_refused(pool: Path, card: object) -> None:
    (pool / "pool.json").write_text(json.dumps(card))
    assert refusal(pool) == invalid(pool, "Input should be a valid dictionary or instance of PoolCard")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 1}, "format: Input should be 2"),
        ({"loras": []}, "loras: List should have at least 1 item after validation, not 0"),
        ({"backbone_sha256": 5}, "backbone_sha256: Input should be a valid string"),
    ],
)
def test_a_card_of_another_format_is_refused(pool: Path, change: dict[str, object], problem: str) -> None:
    edit_card(pool, lambda card: card.update(change))
    assert refusal(pool, "0" * 64) == invalid(pool, problem)


@pytest.mark.parametrize("key", ["format", "name", "backbone", "backbone_sha256", "loras"])
def test_a_missing_field_of_a_card_is_named(pool: Path, key: str) -> None:
    edit_card(pool, lambda card: card.pop(key))
    assert refusal(pool) == invalid(pool, f"{key}: Field required")


@pytest.mark.parametrize("key", ["name", "rank", "rows", "classes", "class_ids", "sha256", "facts"])
def test_a_missing_field_of_a_lora_is_named(pool: Path, key: str) -> None:
    edit_card(pool, lambda card: card["loras"][1].pop(key))
    assert refusal(pool) == invalid(pool, f"loras.1.{key}: Field required")


def test_another_backbone_is_named_with_both_hashes(pool: Path, backbone: Backbone) -> None:
    assert refusal(pool, "abcdef0123456789") == (
        f"The pool 'small' was tuned on toy-vit ({backbone.sha256[:8]}…), but the backbone here is abcdef01…. "
        "Choose another --backbone or another pool."
    )


@pytest.mark.parametrize("file", [ADAPTER, HEAD])
def test_a_missing_file_is_named(pool: Path, file: str) -> None:
    path = pool / "lora-001" / file
    path.unlink()
    message = refusal(pool)
    assert message.startswith(f"{path} cannot be read ([Errno 2] No such file or directory")
    assert message.endswith("). Export or build this LoRA again.")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("file", [ADAPTER, HEAD])
def test_a_truncated_file_is_named(pool: Path, file: str, share: float) -> None:
    path = pool / "lora-001" / file
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert refusal(pool).startswith(f"{path} cannot be read (")


@pytest.mark.parametrize("file", [ADAPTER, HEAD])
def test_a_changed_byte_is_detected(pool: Path, file: str) -> None:
    path = pool / "lora-001" / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refusal(pool) == f"{path} does not match the hash in its card. Restore it, or build the pool again."


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("file", [ADAPTER, HEAD])
def test_values_that_are_not_finite_are_refused(pool: Path, file: str, value: float) -> None:
    edit_tensors(pool, file, lambda tensors: next(iter(tensors.values())).flatten()[:1].fill_(value))
    assert refusal(pool) == (
        f"{pool / 'lora-000' / file} contains values that are not finite. Tune this LoRA again with a lower "
        "learning rate."
    )


def test_a_lora_whose_b_is_zero_is_refused(pool: Path) -> None:
    edit_tensors(pool, ADAPTER, lambda tensors: first_b(tensors).zero_())
    assert refusal(pool) == (
        f"{pool / 'lora-000' / ADAPTER}: lora_B of {QKV} is all zero, so this LoRA has no effect. Tune it again."
    )


def test_a_b_that_is_not_zero_outside_its_rows_is_refused(pool: Path) -> None:
    edit_tensors(pool, ADAPTER, lambda tensors: first_b(tensors)[WIDTH].fill_(1))
    assert refusal(pool) == (
        f"{pool / 'lora-000' / ADAPTER}: lora_B of {QKV} is non-zero outside the rows of its card. Import it again."
    )


@pytest.mark.parametrize("rows", [[[0, 48], [96, 944]], [[-144, 48], [96, 144]], [[0, 48], [144, 96]]])
def test_rows_that_the_layer_does_not_have_are_refused(pool: Path, rows: list[list[int]]) -> None:
    edit_card(pool, lambda card: card["loras"][0].update(rows={"attn.qkv": rows}))
    assert refusal(pool) == (
        f"{pool / 'lora-000' / ADAPTER}: blocks.0.attn.qkv has 144 rows, but the card names {rows}. Export it again."
    )


def test_another_rank_than_the_cards_is_refused(pool: Path) -> None:
    edit_card(pool, lambda card: card["loras"][0].update(rank=3))
    assert refusal(pool) == (
        f"{pool / 'lora-000' / ADAPTER}: the factors of {QKV} do not match rank 3. Export it again."
    )


def test_an_a_without_its_b_is_refused(pool: Path) -> None:
    edit_tensors(pool, ADAPTER, lambda tensors: tensors.pop("base_model.model.blocks.0.attn.qkv.lora_B.weight"))
    assert "the factors of blocks.0.attn.qkv do not match." in refusal(pool)


def test_an_adapter_without_lora_factors_is_refused(pool: Path) -> None:
    edit_tensors(pool, ADAPTER, lambda tensors: [tensors.pop(name) for name in list(tensors) if "lora_A" in name])
    assert refusal(pool) == f"{pool / 'lora-000' / ADAPTER} has no lora_A. Export the adapter again."


def test_a_tensor_that_is_not_a_factor_is_named(pool: Path) -> None:
    edit_tensors(pool, ADAPTER, lambda tensors: tensors.update(bias=torch.ones(2)))
    assert refusal(pool) == (
        f"{pool / 'lora-000' / ADAPTER} also contains 'bias', which is not a LoRA factor and would be lost. Merge it, "
        "or export the adapter without it."
    )


@pytest.mark.parametrize(
    "edit",
    [
        lambda tensors: tensors.update(weight=torch.ones(3, WIDTH)),
        lambda tensors: tensors.update(bias=torch.ones(3)),
        lambda tensors: tensors.update(bias=torch.ones(2, 1)),
        lambda tensors: tensors.pop("bias"),
        lambda tensors: tensors.update(extra=torch.ones(2)),
    ],
)
def test_a_head_of_another_shape_is_refused(pool: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    edit_tensors(pool, HEAD, edit)
    assert refusal(pool) == (f"{pool / 'lora-000' / HEAD} must hold weight and bias of 2 classes. Export it again.")


@pytest.mark.parametrize("key", ["classes", "class_ids"])
def test_a_card_with_another_number_of_classes_is_refused(pool: Path, key: str) -> None:
    edit_card(pool, lambda card: card["loras"][0][key].pop())
    assert "must hold weight and bias of" in refusal(pool)


def test_values_beyond_half_precision_are_detected_on_opening(
    pool: Path, make_entry: MakeEntry, write_pool: WritePool
) -> None:
    entry = dataclasses.replace(make_entry(0), head_bias=torch.tensor([1e9, 0]))
    assert "contains values that are not finite" in refusal(write_pool(pool, entry))


def test_an_entrys_line_names_its_files_and_rows(tmp_path: Path, make_entry: MakeEntry) -> None:
    entry = make_entry(0)
    line = write_entry(tmp_path, entry, "toy-vit", {slot.module: 3 * WIDTH for slot in entry.factors})
    assert line.rows == {"attn.qkv": [[0, 48], [96, 144]]}
    assert set(line.sha256) == {ADAPTER, HEAD}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (2, 2)
    assert config["rank_pattern"] == config["alpha_pattern"] == {"attn.qkv": 4}


@pytest.fixture(scope="module")
def garbled_pool(tmp_path_factory: pytest.TempPathFactory, make_entry: MakeEntry, write_pool: WritePool) -> Path:
    """Return a pool of one LoRA, to be garbled."""
    return write_pool(tmp_path_factory.mktemp("garbled"), make_entry(0, rank=1))


@pytest.fixture(scope="module")
def original(garbled_pool: Path) -> LoraPool:
    """Return that pool before any change."""
    return open_pool(garbled_pool)


def assert_refused_or_good(folder: Path, original: LoraPool, backbone: Backbone) -> None:
    """Open a garbled pool: a PoolError, or LoRAs with the same logits."""
    try:
        opened = open_pool(folder, backbone.sha256)
    except PoolError:
        return
    assert isinstance(opened.name, str)
    picture = torch.full((1, 3, 16, 16), 0.3)
    for entry in opened.entries:
        assert all(isinstance(name, str) for name in (entry.name, *entry.classes))
        assert all(type(number) is int for number in entry.class_ids)
        assert isinstance(entry.facts, dict)
        logits = BankTeacher(backbone, [entry]).logits(picture)
        assert torch.allclose(logits, BankTeacher(backbone, original.entries).logits(picture), atol=1e-4)


def garbled(content: bytes, data: st.DataObject, *, head: int | None = None) -> bytes:
    """Change, drop or insert some bytes, the first `head` of them more often."""
    out = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, min(head or len(out), len(out)) - 1))
        out[index : index + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    return bytes(out)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_garbled_card_is_refused_or_harmless(
    garbled_pool: Path, original: LoraPool, backbone: Backbone, data: st.DataObject
) -> None:
    file = garbled_pool / "pool.json"
    good = file.read_bytes()
    try:
        file.write_bytes(garbled(good, data))
        assert_refused_or_good(garbled_pool, original, backbone)
    finally:
        file.write_bytes(good)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=JSON)
def test_a_card_with_a_random_value_is_refused_or_harmless(
    garbled_pool: Path, original: LoraPool, backbone: Backbone, data: st.DataObject, value: object
) -> None:
    file = garbled_pool / "pool.json"
    good = file.read_bytes()
    card: Any = json.loads(good)
    folder = card
    while True:
        key = data.draw(st.sampled_from(range(len(folder)) if isinstance(folder, list) else sorted(folder)))
        if not (isinstance(folder[key], list | dict) and folder[key] and data.draw(st.booleans())):
            break
        folder = folder[key]
    folder[key] = value
    try:
        file.write_text(json.dumps(card))
        assert_refused_or_good(garbled_pool, original, backbone)
    finally:
        file.write_bytes(good)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=st.sampled_from([ADAPTER, HEAD]), trusted=st.booleans())
def test_garbled_tensors_are_refused_or_harmless(
    garbled_pool: Path, original: LoraPool, backbone: Backbone, data: st.DataObject, name: str, trusted: bool
) -> None:
    file, card = garbled_pool / "lora-000" / name, garbled_pool / "pool.json"
    good, good_card = file.read_bytes(), card.read_bytes()
    bad = garbled(good, data, head=400)
    try:
        file.write_bytes(bad)
        if trusted:  # as if the card had the hash of the garbled file
            old, new = (hashlib.sha256(content).hexdigest().encode() for content in (good, bad))
            card.write_bytes(good_card.replace(old, new))
            try:
                assert open_pool(garbled_pool).entries[0].factors
            except PoolError:
                return
        else:
            assert_refused_or_good(garbled_pool, original, backbone)
    finally:
        file.write_bytes(good)
        card.write_bytes(good_card)


@pytest.mark.parametrize("name", ["../lora-000", "/etc", "a/b", "..", ".", "", "a\\b", "a\nb", "x" * 300, "\udcff", 3])
def test_a_lora_whose_name_leads_out_of_the_pool_is_refused(pool: Path, name: object) -> None:
    edit_card(pool, lambda card: card["loras"][0].update(name=name))
    assert "pool.json is not a valid card (loras.0.name: " in refusal(pool)


@pytest.mark.parametrize("file", ["pool.json", f"lora-000/{ADAPTER}", f"lora-001/{HEAD}"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pool_with_an_irregular_file_does_not_block(pool: Path, file: str, make: Callable[[Path], object]) -> None:
    (pool / file).unlink()
    make(pool / file)
    assert f"{pool / file} cannot be read (it is not a regular file)." in refusal(pool)
