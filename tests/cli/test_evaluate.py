"""`freeshot evaluate` from the shell: formats, files, and errors in its arguments."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.workflows.test_evaluate import save_pictures

from freeshot.testing.toy import POOL

if TYPE_CHECKING:
    from click.testing import Result
    from tests.cli.conftest import Call

PLUGINS = "launchers,toy,lora-recycle,baselines"
LORA = "lora"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with a LoRA that PEFT could have saved."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(POOL / "lora-000", LORA)


def evaluate(call: Call, *arguments: str) -> Result:
    return call("evaluate", *arguments, plugins=PLUGINS)


def printed(call: Call, *arguments: str) -> list[str]:
    done = evaluate(call, *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_an_adapter_is_ranked_beside_the_records_and_marked(call: Call) -> None:
    assert call("run", "toy", "--method", "frozen-prototype", plugins=PLUGINS).exit_code == 0
    before = {path: path.read_bytes() for path in Path("results").rglob("*.json")}
    lines = printed(call, LORA, "--suite", "toy")
    text = "\n".join(lines)
    assert "lora (adapter on toy-vit, fp32): accuracy in %, unsubmitted" in lines
    assert "vs frozen-prototype" in text
    assert "lora (unsubmitted)" in text
    assert "Among 1 row of suite toy" in text
    assert {path: path.read_bytes() for path in Path("results").rglob("*.json")} == before


def test_without_records_the_accuracies_are_printed_alone(call: Call) -> None:
    lines = printed(call, "--backbone", "toy-vit", "--suite", "toy", "--track", "*/2w1s")
    assert "Not ranked: results has no record that can be compared." in lines
    assert sum(line.startswith("toy/in-domain/2w1s") for line in lines) == 1


def test_csv_has_a_row_per_track_and_json_everything(call: Call) -> None:
    target = ("--backbone", "toy-vit", "--suite", "toy")
    rows = list(csv.DictReader(printed(call, *target, "--format", "csv")))
    assert [row["track"] for row in rows] == ["toy/in-domain/2w1s", "toy/in-domain/2w2s"]
    plain = json.loads("\n".join(printed(call, *target, "--format", "json", "--out", "sub/result.json")))
    assert [f"{track['mean']:.6f}" for track in plain["tracks"]] == [row["accuracy"] for row in rows]
    assert json.loads(Path("sub/result.json").read_text()) == plain


def test_own_pictures_show_the_gain_over_the_backbone(call: Call) -> None:
    save_pictures(Path("pictures"))
    lines = printed(call, LORA, "--images", "pictures", "--episodes", "20", "--query", "2")
    assert [line.partition(",")[0] for line in lines if ", ± over" in line] == [
        "accuracy",
        "accuracy",
        "backbone alone",
        "gain of the adapter",
    ]
    assert lines[-1] == "3-way 1-shot tasks with 2 query pictures per class, 20 of them drawn from pictures."


def damage(name: str) -> None:
    """Damage the LoRA, or the folder beside it, in one way."""
    folder = Path(LORA)
    config = folder / "adapter_config.json"
    match name:
        case "no config":
            config.unlink()
        case "config is no JSON":
            config.write_text("{")
        case "config is a list":
            config.write_text("[]")
        case "no weights":
            (folder / "adapter_model.safetensors").unlink()
        case "truncated weights":
            file = folder / "adapter_model.safetensors"
            file.write_bytes(file.read_bytes()[:50])
        case "pickle":
            (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
        case "other network":
            plain = json.loads(config.read_text())
            config.write_text(json.dumps(plain | {"base_model_name_or_path": "google/vit-base-patch16-224"}))
        case "no network":
            config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": None}))
        case "DoRA":
            config.write_text(json.dumps(json.loads(config.read_text()) | {"use_dora": True}))
        case "empty":
            shutil.rmtree(folder)
            folder.mkdir()
        case "a pool":
            shutil.rmtree(folder)
            shutil.copytree(POOL, folder)
        case "a file":
            shutil.rmtree(folder)
            folder.write_text("")
        case "missing":
            shutil.rmtree(folder)
        case "broken card":
            (folder / "freeshot.json").write_text("{}")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("no config", "lora has adapter_model.safetensors, but no adapter_config.json. Copy that file"),
        ("config is no JSON", "lora/adapter_config.json cannot be read"),
        ("config is a list", "lora/adapter_config.json"),
        ("no weights", "lora/adapter_model.safetensors"),
        ("truncated weights", "lora/adapter_model.safetensors"),
        ("pickle", "lora/adapter_model.bin is a pickle, which is never opened."),
        ("other network", "The LoRAs in lora were tuned on 'google/vit-base-patch16-224', which is not"),
        ("no network", "The LoRAs in lora do not name the network they were tuned on"),
        ("DoRA", "lora/adapter_config.json"),
        ("empty", "lora is not an adapter: it has neither freeshot.json nor adapter_config.json."),
        ("a pool", "lora is a pool of LoRAs, not one adapter. Give the folder of one of its LoRAs, or make"),
        ("a file", "lora is a file. Give the folder of an adapter"),
        ("missing", "The folder lora does not exist. Give the folder of an adapter."),
        ("broken card", "lora/freeshot.json is not a valid card"),
    ],
)
def test_a_folder_that_is_not_an_adapter_is_named_with_the_reason(call: Call, wrong: str, sentence: str) -> None:
    damage(wrong)
    assert_refused(evaluate(call, LORA, "--suite", "toy"), sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((LORA,), "Nothing to evaluate on: set --suite NAME, --track PATTERN or --images DIR."),
        (("--suite", "toy"), "Nothing to evaluate: give the folder of an adapter, or set --backbone NAME."),
        ((LORA, "--suite", "toi"), "No suite is called 'toi'. Did you mean 'toy'?"),
        ((LORA, "--suite", "toy", "--track", "x*"), "No track is called 'x*'."),
        ((LORA, "--track", "toy/in-domain/2w1"), "Did you mean 'toy/in-domain/2w1s'?"),
        ((LORA, "--suite", "toy", "--images", "x"), "--images cannot be combined with --suite or --track."),
        ((LORA, "--suite", "toy", "-b", "toy-vti"), "No backbone is called 'toy-vti'. Did you mean 'toy-vit'?"),
        ((LORA, "--images", "absent"), "The folder absent does not exist."),
        ((LORA, "--images", LORA), "lora must contain one folder of images per class, at least two"),
        ((LORA, "--images", "flat"), "flat must contain one folder of images per class, at least two"),
        ((LORA, "--images", "one"), "one must contain one folder of images per class, at least two"),
        ((LORA, "--images", "hollow"), "hollow/wave-10 has no image."),
        ((LORA, "--images", "good", "--shot", "5"), "--shot"),
        ((LORA, "--images", "good", "--way", "3"), "good has 2 classes, which is too few for 3-way tasks."),
        ((LORA, "--images", "broken"), "broken/wave-10/0.png cannot be read as a picture"),
        ((LORA, "--suite", "toy", "--out", "lora/adapter_config.json/x.json"), "Choose another --out."),
    ],
)
def test_a_wrong_argument_is_one_line_on_stderr(call: Call, arguments: tuple[str, ...], sentence: str) -> None:
    for name in ("good", "broken", "hollow"):
        save_pictures(Path(name), classes=2, each=2)
    save_pictures(Path("one"), classes=1, each=2)
    Path("broken/wave-10/0.png").write_bytes(b"not a picture")
    for path in Path("hollow/wave-10").iterdir():
        path.unlink()
    Path("flat").mkdir()
    shutil.copy("good/wave-10/0.png", "flat")
    assert_refused(evaluate(call, *arguments), sentence)


def assert_refused(done: Result, sentence: str) -> None:
    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert done.exit_code == 2
    assert "Traceback" not in done.output


@pytest.mark.parametrize("arguments", [("--episodes", "1"), ("--way", "1"), ("--shot", "0"), ("--format", "xml")])
def test_a_value_out_of_range_is_a_usage_error(call: Call, arguments: tuple[str, str]) -> None:
    done = evaluate(call, LORA, *arguments)
    assert done.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in done.stderr


def test_pictures_in_formats_that_are_not_read_are_counted(call: Call) -> None:
    save_pictures(Path("pictures"), classes=2, each=3)
    Path("pictures/wave-10/x.heic").touch()
    done = evaluate(call, LORA, "--images", "pictures", "--episodes", "2")
    assert done.exit_code == 0, done.output
    assert done.stderr == "Left out 1 file in unsupported formats: .heic. Save images as PNG or JPEG.\n"
