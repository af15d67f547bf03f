"""`pool import` prints a table of the LoRAs, proposes their backbone and verifies them; `pool remove` deletes pools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from freeshot.testing.toy import POOL, ToyImages

if TYPE_CHECKING:
    from click.testing import Result
    from tests.cli.conftest import Call

PLUGINS = "toy,vision"
NAMES = [f"wave-{number}" for number in (0, 1, 2, 4, 5)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder with two LoRAs, whose configs name the toy network, and their class names."""
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        shutil.copytree(POOL / "lora-000", f"theirs/lora{number}")
        Path(f"theirs/lora{number}/labels.json").write_text(json.dumps(NAMES))


@pytest.fixture
def bring_in(call: Call) -> Call:
    def run(*arguments: str) -> Result:
        return call("pool", "import", "theirs", *arguments, plugins=PLUGINS)

    return run


def row(done: Result, name: str) -> list[str]:
    """Return the cells of a LoRA's row."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def save_pictures(folder: str = "pictures") -> None:
    images = ToyImages((0, 1, 2, 4, 5))
    for index, label in enumerate(images.labels.tolist()):
        if index % 4 == 0:
            file = Path(folder, images.classes[label], f"{index}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images.read([index])[0].permute(1, 2, 0).numpy()).save(file)


def test_the_backbone_is_that_named_by_the_loras(bring_in: Call) -> None:
    done = bring_in()
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Backbone: toy-vit, as named by the LoRAs.\n")
    assert row(done, "lora0") == ["lora0", "4", "qkv", "wave-0, wave-1, wave-2 and 2 more", "imported", "not verified"]
    assert done.stdout.endswith("Imported 2 LoRAs: lora0, lora1.\nSaved the pool 'theirs' in pools/theirs.\n")


def test_a_bad_lora_stops_the_import_and_the_table_shows_which(bring_in: Call) -> None:
    Path("theirs/lora0/labels.json").write_text("wave-0")
    done = bring_in()
    assert done.exit_code == 2
    assert row(done, "lora0")[:5] == ["lora0", "–", "–", "–", "refused"]
    assert row(done, "lora0")[5].startswith("labels.json cannot be read")
    assert row(done, "lora1")[4] == "passed"
    assert done.stderr.startswith("Error: theirs/lora0/labels.json cannot be read")
    assert not Path("pools").exists()


def test_a_bad_lora_can_be_skipped(bring_in: Call) -> None:
    Path("theirs/lora0/adapter_config.json").unlink()
    done = bring_in("--skip-bad")
    assert done.exit_code == 0, done.output
    assert row(done, "lora0")[4] == "skipped"
    assert row(done, "lora0")[5].startswith("adapter_model.safetensors has no adapter_config.json beside it.")
    assert "Imported 1 LoRA: lora1.\n" in done.stdout


def test_images_verify_the_loras_and_the_pool_shows_their_accuracy(call: Call, bring_in: Call) -> None:
    save_pictures()
    done = bring_in("--images", "pictures")
    assert row(done, "lora1")[4:] == ["imported", "25 of 25 pictures correct"], done.output
    assert "ot verified" not in done.output
    shown = call("pool", "show", "theirs", plugins=PLUGINS)
    assert row(shown, "lora1")[2] == "100.0 % of 25 own pictures"
    checked = call("pool", "check", "theirs", plugins=PLUGINS)
    assert checked.stdout.splitlines()[0] == "lora0: ok (rank 4, 5 classes, 4 adapted layers)"


def test_a_lora_at_chance_is_refused_unless_keep_is_requested(bring_in: Call) -> None:
    save_pictures()
    Path("theirs/lora0/labels.json").write_text(json.dumps(NAMES[1:] + NAMES[:1]))
    done = bring_in("--images", "pictures")
    assert done.exit_code == 2
    assert "theirs/lora0/adapter_model.safetensors: 0 of 25 pictures correct, which is not above chance" in done.stderr
    assert row(bring_in("--images", "pictures", "--at-chance", "keep"), "lora0")[4:] == [
        "imported", "0 of 25 pictures correct",
    ]  # fmt: skip


def test_a_pool_that_was_not_verified_is_marked_by_show_and_check(call: Call, bring_in: Call) -> None:
    bring_in()
    assert row(call("pool", "show", "theirs", plugins=PLUGINS), "lora0")[2] == "not verified"
    checked = call("pool", "check", "theirs", plugins=PLUGINS).stdout.splitlines()
    assert checked[0] == "lora0: ok (rank 4, 5 classes, 4 adapted layers), not verified"
    assert checked[-1].startswith("Not verified: 2 LoRAs. The shapes fit this backbone, but only labelled images show ")


def test_a_lora_whose_card_names_this_backbones_weights_needs_no_pictures(call: Call, bring_in: Call) -> None:
    shutil.copy(POOL / "pool.json", "theirs")
    assert row(bring_in(), "lora0")[4:] == ["imported", "tuned on these weights, by its card"]
    assert row(call("pool", "show", "theirs", plugins=PLUGINS), "lora0")[2] == "not measured"
    assert "ot verified" not in call("pool", "check", "theirs", plugins=PLUGINS).stdout


def test_images_without_class_folders_are_refused(bring_in: Call) -> None:
    save_pictures()
    done = bring_in("--images", "pictures/wave-0")
    assert done.exit_code == 2
    assert "pictures/wave-0 must contain one folder of images per class, at least two, but contains 0." in done.stderr


def test_a_broken_picture_is_named(bring_in: Call) -> None:
    save_pictures()
    Path("pictures/wave-0/0.png").write_bytes(b"no picture")
    done = bring_in("--images", "pictures")
    assert done.exit_code == 2
    assert "pictures/wave-0/0.png cannot be read" in done.stderr


@pytest.mark.parametrize(
    "verb", [("pool", "import", "theirs"), ("pool", "check", "toy"), ("run", "toy", "--method", "noise", "--dry-run")]
)
def test_for_timms_own_name_of_a_network_the_full_option_is_suggested(call: Call, verb: tuple[str, ...]) -> None:
    done = call(*verb, "--backbone", "vit_tiny_patch16_224", plugins="launchers,toy,vision,baselines")
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: No backbone is called 'vit_tiny_patch16_224'. Write it as --backbone "
        "timm:model=vit_tiny_patch16_224,weights=FILE\n"
    )


def test_for_an_unknown_backbone_the_nearest_name_is_suggested(bring_in: Call) -> None:
    assert "No backbone is called 'toy-vti'. Did you mean 'toy-vit'?" in bring_in("--backbone", "toy-vti").stderr


def test_for_missing_weights_the_full_option_is_suggested(bring_in: Call) -> None:
    done = bring_in("--backbone", "timm:model=vit_tiny_patch16_224,side=64")
    assert done.exit_code == 2
    assert "as in --backbone timm:side=64,model=vit_tiny_patch16_224,weights=FILE; FREESHOT_WEIGHTS" in done.stderr


def test_a_pool_is_removed_after_a_confirmation(call: Call, bring_in: Call) -> None:
    bring_in()
    declined = call("pool", "remove", "theirs", plugins=PLUGINS)
    assert declined.exit_code == 1
    assert "Delete pools/theirs with all its files?" in declined.output
    assert Path("pools/theirs/pool.json").exists()
    done = call("pool", "remove", "theirs", "--yes", plugins=PLUGINS)
    assert done.stdout == "Removed the pool 'theirs'.\n"
    assert not Path("pools/theirs").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("toy", "The pool 'toy' is shipped by freeshot"),
        ("theirs", "theirs is a folder; only pools in pools are removed, by name. Delete the folder yourself."),
        ("../theirs", "No pool in pools is called '../theirs'."),
        ("ours/..", "No pool in pools is called 'ours/..'."),
        ("our", "No pool in pools is called 'our'. Did you mean 'ours'?"),
    ],
)
def test_only_the_users_pools_are_removed(name: str, expected: str, call: Call, bring_in: Call) -> None:
    bring_in("--name", "ours")
    done = call("pool", "remove", name, "--yes", plugins=PLUGINS)
    assert done.exit_code == 2
    assert expected in done.stderr
    assert Path("pools/ours/pool.json").exists()
    assert Path("theirs/lora0").is_dir()
