"""The workflow of a user: import LoRAs, recycle them into an adapter, and classify pictures with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from freeshot.testing.toy import POOL, ToyImages

if TYPE_CHECKING:
    from tests.cli.conftest import Call

PLUGINS = "toy,lora-recycle,baselines"
PRESET = ("--preset", "toy")
RAISES = '''
from dataclasses import dataclass
from freeshot import Method, Needs, hookimpl
@dataclass(frozen=True)
class Mine(Method):
    """Divide by zero."""
    name = "mine"
    needs = frozenset({Needs.POOL})
    def prepare(self, bench):
        1 / 0
@hookimpl
def freeshot_methods():
    return [Mine]
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def recycle(call: Call, *arguments: str) -> str:
    done = call("recycle", "toy", *PRESET, "--out", "meta", *arguments, plugins=PLUGINS)
    assert done.exit_code == 0, done.output
    return done.stdout


def save_pictures() -> None:
    """Save two pictures of each of three classes as support, and one of each as query."""
    images = ToyImages((9, 10, 11))
    for index in (0, 1, 20, 21, 40, 41, 5, 25, 45):
        pixels = images.read([index])[0].permute(1, 2, 0).numpy()
        shown = index % 20 < 2
        folder = Path("support") / f"wave-{images.labels[index]}" if shown else Path("query")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{index}.png")


def test_a_pool_becomes_an_adapter_that_classifies_pictures(call: Call) -> None:
    assert "Saved the adapter in meta" in recycle(call)
    save_pictures()
    requested = ("predict", "--adapter", "meta", "--support", "support", "--query", "query", "--format", "json")
    actual = json.loads(call(*requested, plugins=PLUGINS).stdout)["predictions"]
    assert {f["picture"]: f["class"] for f in actual} == {
        "query/5.png": "wave-0",
        "query/25.png": "wave-1",
        "query/45.png": "wave-2",
    }
    assert all(sum((f.get("probabilities") or f["scores"]).values()) == pytest.approx(1) for f in actual)


def test_a_dry_run_prints_what_would_be_trained(call: Call) -> None:
    first, held_out, cost = recycle(call, "--dry-run").splitlines()
    assert first == "lora-recycle on 4 LoRAs of 'toy' for 5-way 1-shot tasks on toy-vit."
    assert held_out.startswith("No classes are held out")
    assert cost.startswith("Cost: about ")
    assert not Path("meta").exists()


def test_the_same_command_reuses_the_cache(call: Call) -> None:
    recycle(call)
    first = Path("meta/adapter_model.safetensors").read_bytes()
    shutil.rmtree("meta")
    assert "loaded from the cache" in recycle(call)
    assert Path("meta/adapter_model.safetensors").read_bytes() == first


def test_the_surrogates_are_saved_as_contact_sheets(call: Call) -> None:
    recycle(call, "--sheets")
    assert sorted(path.name for path in Path("meta/sheets").iterdir()) == [f"lora-{n:03d}.png" for n in range(4)]


def test_options_of_the_method_can_be_set_and_are_kept_with_the_adapter(call: Call) -> None:
    recycle(call, "--option", "rank=2", "--option", "targets=q,fc1", "--shot", "2")
    facts = json.loads(Path("meta/freeshot.json").read_text())["facts"]
    assert (facts["method"]["options"]["rank"], facts["shot"], facts["data_free"]) == (2, 2, "strict")
    assert facts["pool"] == "toy"


def test_a_folder_is_a_pool_too(call: Call) -> None:
    shutil.copytree(POOL, "mine")
    done = call("recycle", "mine", *PRESET, "--out", "meta", plugins=PLUGINS)
    assert done.exit_code == 0, done.output


def test_without_a_suite_the_method_has_to_be_given(call: Call) -> None:
    done = call("recycle", str(POOL), "--out", "meta", plugins="lora-recycle")
    assert done.exit_code == 2
    assert "No installed suite has a default method. Set --method." in done.stderr


def test_a_method_that_raises_is_shown_with_its_line(call: Call) -> None:
    Path("mine.py").write_text(RAISES, encoding="utf-8")
    arguments = ("recycle", "toy", "--method", "mine", "--out", "meta")
    done = call("--plugin", "mine.py", *arguments, plugins=PLUGINS)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "Error: ZeroDivisionError: division by zero (mine.py, line 10)",
        "    mine.py:10 in Mine.prepare",
        "        1 / 0",
        "    FREESHOT_DEBUG=1 prints the full traceback.",
    ]


def test_a_method_that_needs_real_images_is_refused(call: Call) -> None:
    done = call("recycle", "toy", "--method", "real-data", "--out", "meta", plugins=PLUGINS)
    assert done.exit_code == 2
    assert "Method 'real-data' needs more than a pool: base images. Choose a data-free one." in done.stderr


def test_a_method_without_adapter_is_refused(call: Call) -> None:
    done = call("recycle", "toy", "--method", "frozen-prototype", "--out", "meta", plugins=PLUGINS)
    assert done.exit_code == 2
    assert "Method 'frozen-prototype' yields no adapter." in done.stderr


def test_imported_loras_are_recycled_like_any(call: Call) -> None:
    folders = [path for path in POOL.iterdir() if path.is_dir()]
    for folder in folders:
        shutil.copytree(folder, Path("theirs") / folder.name)
    done = call("pool", "import", "theirs", "--backbone", "toy-vit", plugins=PLUGINS)
    *rows, unverified, imported, saved = done.stdout.splitlines()
    assert [row.split() for row in rows] == [
        ["name", "rank", "targets", "classes", "verdict", "reason"],
        *([f"lora-{n:03d}", "4", "qkv", "5,", "unnamed", "imported", "not", "verified"] for n in range(4)),
    ], done.output
    assert unverified.startswith("Not verified: 4 LoRAs. The shapes fit this backbone, but only labelled images show")
    assert imported == "Imported 4 LoRAs: lora-000, lora-001, lora-002, lora-003."
    assert saved == "Saved the pool 'theirs' in pools/theirs."
    assert done.stderr == ""
    done = call("recycle", "pools/theirs", *PRESET, "--out", "meta", plugins=PLUGINS)
    assert done.exit_code == 0, done.output


def test_a_lora_that_is_left_out_is_named(call: Call) -> None:
    for folder in (path for path in POOL.iterdir() if path.is_dir()):
        shutil.copytree(folder, Path("theirs") / folder.name)
    Path("theirs/lora-002/head.safetensors").unlink()
    done = call("pool", "import", "theirs", "--backbone", "toy-vit", "--skip-bad", plugins=PLUGINS)
    assert "Imported 3 LoRAs: lora-000, lora-001, lora-003.\nSaved the pool 'theirs' in" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("lora-002")]
    assert row.split()[4:9] == ["skipped", "adapter_model.safetensors", "has", "no", "head."]


def test_loras_inside_the_folder_of_another_lora_are_named(call: Call) -> None:
    shutil.copytree(POOL / "lora-000", "theirs/final")
    for step in range(1, 12):
        shutil.copytree(POOL / "lora-001", f"theirs/final/checkpoint-{step:02d}")
    done = call("pool", "import", "theirs", "--backbone", "toy-vit", plugins=PLUGINS)
    inner = ", ".join(f"final/checkpoint-{step:02d}" for step in range(1, 11))
    assert done.stderr == (
        f"LoRAs inside the folder of another LoRA are imported separately: {inner} and 1 more. To leave them out, "
        "move them out of theirs and import again.\n"
    )
    assert "Imported 12 LoRAs: final, final-checkpoint-01, " in done.stdout
    assert "Saved the pool 'theirs'" in done.stdout


def test_a_folder_that_is_a_lora_itself_may_hold_others(call: Call) -> None:
    shutil.copytree(POOL / "lora-000", "final")
    shutil.copytree(POOL / "lora-001", "final/checkpoint-5")
    done = call("pool", "import", "final", "--backbone", "toy-vit", plugins=PLUGINS)
    assert "are imported separately: checkpoint-5. To leave them out, move them out of final" in done.stderr


@pytest.mark.parametrize("name", ["toy", "toy/mine", "../x", "/x", "a/b/c", "a//b", "", "a+b", ".a"])
def test_an_invalid_or_taken_name_of_a_pool_is_refused(call: Call, name: str) -> None:
    shutil.copytree(POOL / "lora-000", "theirs/one")
    requested = ("--backbone", "toy-vit", "--out", "elsewhere")
    done = call("pool", "import", "theirs", "--name", name, *requested, plugins=PLUGINS)
    assert done.exit_code == 2
    assert "Choose another name." in done.stderr
    assert not Path("elsewhere").exists()


def test_a_folder_whose_name_is_taken_needs_another_for_its_pool(call: Call) -> None:
    shutil.copytree(POOL / "lora-000", "toy/one")
    done = call("pool", "import", "toy", "--backbone", "toy-vit", plugins=PLUGINS)
    assert "The pool 'toy' is shipped by " in done.stderr
    done = call("pool", "import", "toy", "--backbone", "toy-vit", "--name", "lab/toy", plugins=PLUGINS)
    assert done.stdout.endswith("Imported 1 LoRA: one.\nSaved the pool 'lab/toy' in pools/lab/toy.\n"), done.output


def test_pictures_in_unsupported_formats_are_reported_beside_the_predictions(call: Call) -> None:
    save_pictures()
    next(Path("support").iterdir()).joinpath("x.heic").touch()
    Path("query/y.nef").touch()
    done = call("predict", "--backbone", "toy-vit", "--support", "support", "--query", "query", plugins=PLUGINS)
    assert done.exit_code == 0, done.output
    assert done.stderr == ("Left out 2 files in unsupported formats: .heic, .nef. Save images as PNG or JPEG.\n")


@pytest.mark.parametrize("shape", ["table", "csv"])
def test_predictions_are_printed_in_other_formats(call: Call, shape: str) -> None:
    save_pictures()
    requested = ("predict", "--backbone", "toy-vit", "--support", "support", "--query", "query", "--format", shape)
    head, *rows = call(*requested, plugins=PLUGINS).stdout.splitlines()
    assert head.replace(",", " ").split()[:2] == ["picture", "class"]
    assert len(rows) == 3
    assert all("wave-" in row for row in rows)


def test_neither_adapter_nor_backbone_is_refused(call: Call) -> None:
    save_pictures()
    done = call("predict", "--support", "support", "--query", "query", plugins=PLUGINS)
    assert done.exit_code == 2
    assert "No backbone given. Set --adapter" in done.stderr


def test_a_support_folder_without_classes_is_an_error(call: Call) -> None:
    save_pictures()
    done = call("predict", "--backbone", "toy-vit", "--support", "query", "--query", "query", plugins=PLUGINS)
    assert done.exit_code == 2
    assert "query must contain one folder of images per class, at least two, but contains 0." in done.stderr


def test_a_file_that_is_not_a_picture_is_named(call: Call) -> None:
    save_pictures()
    Path("query/45.png").write_bytes(b"not a picture")
    requested = ("predict", "--backbone", "toy-vit", "--support", "support", "--query", "query", "--strict")
    done = call(*requested, plugins=PLUGINS)
    assert done.exit_code == 2
    assert "query/45.png cannot be read as a picture" in done.stderr
