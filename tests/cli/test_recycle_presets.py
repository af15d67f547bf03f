"""`freeshot recycle`: its choices, output and measurements, and the files that it never overwrites."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.workflows.test_evaluate import save_pictures

from freeshot.testing.toy import POOL
from freeshot.workflows import recycle_cost

if TYPE_CHECKING:
    from click.testing import Result
    from tests.cli.conftest import Call

PLUGINS = "toy,lora-recycle,baselines"
SHORT = ("-o", "inversion.iterations=2", "-o", "learner.iterations=2", "-o", "per_class=4")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, on a machine of a fixed speed."""
    monkeypatch.chdir(tmp_path)
    slowed(monkeypatch, 1e-3)


def recycle(call: Call, *arguments: str, pool: str = "toy", out: str = "meta") -> Result:
    return call("recycle", pool, "--out", out, *arguments, plugins=PLUGINS)


def printed(call: Call, *arguments: str, **options: str) -> list[str]:
    done = recycle(call, *arguments, **options)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def slowed(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every pass take this long per image."""
    monkeypatch.setattr(recycle_cost, "seconds_per_image", lambda *_: seconds)


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (1e-6, "Preset: paper, the most thorough that takes at most 15 min here ("),
        (1e-3, "Preset: good, the most thorough that takes at most 15 min here ("),
        (0.05, "Preset: quick, the most thorough that takes at most 15 min here ("),
        (1.0, "Preset: quick, the cheapest, though it takes more than 15 min here ("),
    ],
)
def test_the_default_preset_depends_on_the_measured_speed(
    call: Call, monkeypatch: pytest.MonkeyPatch, seconds: float, reason: str
) -> None:
    slowed(monkeypatch, seconds)
    (line,) = (line for line in printed(call, "--dry-run") if line.startswith("Preset: "))
    assert line.startswith(reason)
    assert line.endswith(").")
    assert [part.partition(":")[0] for part in line.partition("(")[2].split(", ")] == ["quick", "good", "paper"]
    assert not Path("meta").exists()


def test_a_budget_changes_the_choice(call: Call) -> None:
    lines = printed(call, "--dry-run", "--budget", "1000")
    assert any(line.startswith("Preset: paper, the most thorough that takes at most 1000 min here") for line in lines)


def test_a_repeated_run_keeps_its_preset_on_a_busier_machine(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(monkeypatch, 1e-6)
    printed(call, *SHORT)
    slowed(monkeypatch, 10.0)
    lines = printed(call, *SHORT)
    assert any(line.startswith("Preset: paper, the one of the first run (") for line in lines)
    assert "loaded from the cache" in "\n".join(lines)


def test_a_method_whose_cost_is_unknown_uses_its_cheapest_preset(call: Call) -> None:
    lines = printed(call, "--dry-run", "--method", "free")
    assert lines[1].startswith("Preset: quick, the cheapest, because the time it takes cannot be estimated (")
    assert lines[-1] == "Cost: unknown, because this method's steps cannot be counted in advance."


def test_no_prior_is_used_without_weights_and_the_line_names_the_reason(call: Call) -> None:
    lines = printed(call, "--dry-run", "--preset", "good")
    assert "Inversion prior: none, because the weights folder has no resnet50 or efficientnet-lite0" in "\n".join(lines)


def test_the_work_is_titled_by_the_pool(call: Call) -> None:
    text = "\n".join(printed(call, "--preset", "toy"))
    assert "recycle toy · lora-recycle: inversion" in text
    assert "own/" not in text


def test_pools_are_loaded_from_their_folder(call: Call) -> None:
    shutil.copytree(POOL, "elsewhere/mine")
    card = Path("elsewhere/mine/pool.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"name": "mine"}))
    lines = printed(call, "--preset", "toy", "--pools", "elsewhere", "--dry-run", pool="mine")
    assert lines[0] == "lora-recycle on 4 LoRAs of 'mine' for 5-way 1-shot tasks on toy-vit."


@pytest.fixture
def narrow(call: Call) -> str:
    """Return a pool with classes to hold out: four LoRAs of five classes each, none of which is shared."""
    folder = Path("pools/narrow")
    shutil.copytree(POOL, folder)
    card = json.loads((folder / "pool.json").read_text())
    for number, lora in enumerate(card["loras"]):
        lora["class_ids"] = [5 * number + label for label in range(5)]
    (folder / "pool.json").write_text(json.dumps(card | {"name": "narrow"}))
    return "narrow"


def test_the_gain_on_held_out_classes_is_printed_and_kept(call: Call, narrow: str) -> None:
    lines = printed(call, "--preset", "quick", *SHORT, pool=narrow)
    (line,) = (line for line in lines if line.startswith("Gain"))
    assert line.startswith("Gain on synthesised images of 5 classes held out of training: ")
    assert "not how good the adapter is on photographs" in line
    facts = json.loads(Path("meta/freeshot.json").read_text())["facts"]
    (gain,) = facts["gains"]
    assert (gain["on"], gain["classes"], gain["way"], gain["query"], gain["episodes"]) == ("surrogates", 5, 5, 3, 600)
    assert gain["difference"]["mean"] == pytest.approx(gain["after"] - gain["before"])
    assert (facts["preset"], facts["pool"]) == ("quick", "narrow")


def test_a_pool_of_few_classes_holds_none_out_and_the_line_names_the_reason(call: Call) -> None:
    text = "\n".join(printed(call, "--preset", "quick", *SHORT))
    assert "No classes are held out to measure the gain: the pool has only 6 for 5-way tasks." in text
    assert json.loads(Path("meta/freeshot.json").read_text())["facts"]["gains"] == []


def test_the_gain_on_own_pictures_is_printed_and_kept(call: Call) -> None:
    save_pictures(Path("pictures"))
    lines = printed(call, "--preset", "toy", "--images", "pictures")
    (line,) = (line for line in lines if line.startswith("Gain"))
    assert line.startswith("Gain on your pictures of 3 classes: ")
    (gain,) = json.loads(Path("meta/freeshot.json").read_text())["facts"]["gains"]
    done = call("evaluate", "meta", "--images", "pictures", "--format", "json", plugins=PLUGINS)
    (score,) = json.loads(done.stdout)["tracks"]
    assert (gain["before"], gain["after"]) == (pytest.approx(score["backbone_alone"]), pytest.approx(score["mean"]))


def test_a_broken_picture_is_an_error_before_the_training(call: Call) -> None:
    save_pictures(Path("pictures"))
    Path("pictures/wave-9/3.png").write_bytes(b"")
    done = recycle(call, "--preset", "toy", "--images", "pictures")
    assert done.exit_code == 2
    assert "pictures/wave-9/3.png" in done.stderr
    assert "inversion," not in done.stdout


def test_the_same_run_may_be_repeated(call: Call) -> None:
    printed(call, "--preset", "toy")
    first = Path("meta/freeshot.json").read_bytes()
    Path("meta/.adapter_model.safetensors.x").touch()  # as a killed process leaves it
    printed(call, "--preset", "toy")
    assert Path("meta/freeshot.json").read_bytes() == first


@pytest.mark.parametrize("other", [("-o", "rank=2"), ("--method", "lora-average")])
def test_an_adapter_of_another_run_is_not_replaced(call: Call, other: tuple[str, str]) -> None:
    printed(call, "--preset", "toy")
    before = Path("meta/adapter_model.safetensors").read_bytes()
    done = recycle(call, "--preset", "toy", *other)
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: meta holds another adapter of the pool 'toy', or one made with other settings. Choose another --out, "
        "or replace it with --overwrite.\n"
    )
    assert Path("meta/adapter_model.safetensors").read_bytes() == before
    assert recycle(call, "--preset", "toy", *other, "--overwrite").exit_code == 0
    assert Path("meta/adapter_model.safetensors").read_bytes() != before


def test_an_adapter_of_another_pool_is_not_replaced(call: Call, narrow: str) -> None:
    printed(call, "--preset", "toy")
    done = recycle(call, "--preset", "toy", pool=narrow)
    assert "meta holds another adapter of the pool 'toy'" in done.stderr


def test_a_folder_of_pictures_is_not_changed(call: Call) -> None:
    pictures = {path: path.read_bytes() for path in save_pictures(Path("meta")).rglob("*.png")}
    done = recycle(call, "--preset", "toy")
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: meta is not empty: it contains 'wave-10' and 2 more. Choose another --out, or write into it with "
        "--overwrite.\n"
    )
    assert printed(call, "--preset", "toy", "--overwrite")[-1].startswith("Saved the adapter in meta.")
    assert {path: path.read_bytes() for path in Path("meta").rglob("*.png")} == pictures


def refused(call: Call, *arguments: str, **options: Any) -> str:
    done = recycle(call, *arguments, **options)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    (line,) = done.stderr.splitlines()
    return line


def test_a_file_cannot_become_the_folder(call: Call) -> None:
    Path("meta").write_text("")
    assert refused(call, "--preset", "toy") == (
        "Error: meta is a file. Choose another --out, which will become a folder."
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--preset", "quik"), "No preset or suite is called 'quik'. Did you mean 'quick'?"),
        (("--preset", "toy", "--method", "lora-recicle"), "No method is called 'lora-recicle'. Did you mean"),
        (("--preset", "toy", "--backbone", "toy-vti"), "No backbone is called 'toy-vti'. Did you mean 'toy-vit'?"),
        (("--preset", "good", "-o", "lernr=x"), "No method of this run has an option 'lernr'. Did you mean 'learner'?"),
        (("--preset", "good", "-o", "rank"), "Invalid option 'rank': expected KEY=VALUE"),
        (("--preset", "good", "-o", "rank=x"), "Option 'rank' of 'lora-recycle' cannot be 'x'; expected int"),
        (("--preset", "good", "-o", "held_out=0.9"), "Holding out 5 of 6 classes leaves too few to train on"),
        (("--preset", "good", "-o", "inversion.prior_weights=no.pth"), "The prior's weights no.pth were not found."),
        (("--preset", "toy", "--images", "absent"), "The folder absent does not exist."),
    ],
)
def test_a_wrong_argument_is_one_line_on_stderr(call: Call, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(call, *arguments)


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        ("toi", "No pool is called 'toi'. Did you mean 'toy'?"),
        ("toy/toy-waves", "'toy/toy-waves' is a part or a variant of a pool. Choose 'toy' itself."),
        ("toy+noise50", "'toy+noise50' is a part or a variant of a pool. Choose 'toy' itself."),
        ("folder", "folder is not a pool: it has no pool.json. Build one with 'freeshot pool build'."),
    ],
)
def test_a_folder_or_name_that_is_not_a_pool_is_named(call: Call, pool: str, sentence: str) -> None:
    Path("folder").mkdir()
    assert sentence in refused(call, "--preset", "toy", pool=pool)


def test_a_budget_must_be_positive(call: Call) -> None:
    done = recycle(call, "--budget", "0")
    assert done.exit_code == 2
    assert "Invalid value for '--budget'" in done.stderr
