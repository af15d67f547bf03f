"""Users classify pictures: accuracy, files of predictions, a contact sheet, and what is skipped or refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.soak.readers_of_loras import write_peft

from freeshot.data.decode import FORMATS
from freeshot.testing.toy import POOL, ToyImages

if TYPE_CHECKING:
    from click.testing import Result
    from tests.cli.conftest import Call

Predict = Callable[..., "Result"]
KINDS = (9, 10, 11)


@pytest.fixture
def predict(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    """Classify the pictures in `query` by those in `support`, four and two of each of three classes."""
    monkeypatch.chdir(tmp_path)
    images = ToyImages(KINDS)
    for kind in range(len(KINDS)):
        for number in range(6):
            folder = Path("support" if number < 4 else "query") / f"wave-{kind}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = images.read([20 * kind + number])[0].permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(folder / f"{number}.png")

    def run(*arguments: str, backbone: str = "toy-vit") -> Result:
        named = ("--backbone", backbone) if backbone else ()
        return call("predict", *named, "--support", "support", "--query", "query", *arguments, plugins="toy")

    return run


def flat_query() -> None:
    for file in Path("query").glob("*/*.png"):
        file.rename(Path("query") / f"{file.parent.name}-{file.name}")
        if not any(file.parent.iterdir()):
            file.parent.rmdir()


def single_shot() -> None:
    for file in Path("support").glob("*/[123].png"):
        file.unlink()


def test_accuracy_and_confusions_are_printed_where_queries_lie_in_class_folders(predict: Predict) -> None:
    done = predict()
    assert done.exit_code == 0, done.output
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["picture", "class", "probability", "true", "class"]
    rows, (accuracy, confusions) = lines[:6], done.stdout.split("\n\n")[1].split("\n", 1)
    right = sum("✓" in row for row in rows)
    assert right + sum("✗" in row for row in rows) == 6
    assert accuracy.startswith(f"Accuracy: {100 * right / 6:.1f} % ({right} of 6; 95 % interval ")
    table = [line.split() for line in confusions.splitlines()]
    assert table[0] == ["true", "\\", "predicted", "wave-0", "wave-1", "wave-2"]
    assert [sum(map(int, line[1:])) for line in table[1:]] == [2, 2, 2]
    assert sum(int(line[1 + row]) for row, line in enumerate(table[1:])) == right


def test_without_class_folders_only_predictions_are_printed(predict: Predict) -> None:
    flat_query()
    done = predict()
    assert len(done.stdout.splitlines()) == 1 + 6
    assert "Accuracy" not in done.stdout
    assert "true class" not in done.stdout


def test_images_outside_of_class_folders_are_not_counted(predict: Predict) -> None:
    Path("query/unsorted").mkdir()
    next(Path("query").glob("*/*.png")).rename("query/unsorted/1.png")
    assert "of 5; " in predict().stdout
    assert "Not counted: 1 image outside of folders named after a class." in predict().stdout


@pytest.mark.parametrize("single", [False, True])
def test_without_calibration_a_confidence_is_called_a_score(predict: Predict, single: bool) -> None:
    if single:
        single_shot()
    name, names = ("score", "scores") if single else ("probability", "probabilities")
    data = json.loads(predict("--format", "json").stdout)
    assert (data["temperature"] is None) == single
    assert data["uncalibrated"] == ("no class has two support images" if single else "")
    for prediction in data["predictions"]:
        assert prediction[name] == max(prediction[names].values())
        assert not {"score", "scores", "probability", "probabilities"} - {name, names} & set(prediction)
    head = predict().stdout.splitlines()[0]
    assert ("score (not calibrated)" in head, "probability" in head) == (single, not single)
    fields = predict("--format", "csv").stdout.splitlines()[0].split(",")
    assert fields[3:5] == ([name, "score(wave-0)"] if single else [name, "p(wave-0)"])


def test_json_holds_accuracy_confusions_and_nearest_pictures(predict: Predict) -> None:
    data = json.loads(predict("--format", "json").stdout)
    right = [p["class"] == p["true_class"] for p in data["predictions"]]
    assert data["accuracy"]["mean"] == pytest.approx(sum(right) / 6)
    assert 0 <= data["accuracy"]["low"] <= data["accuracy"]["mean"] <= data["accuracy"]["high"] <= 1
    assert (data["accuracy"]["level"], data["accuracy"]["images"]) == (0.95, 6)
    assert [data["confusion"][row][row] for row in range(3)] == [sum(right[2 * r : 2 * r + 2]) for r in range(3)]
    for prediction in data["predictions"]:
        distances = [near["distance"] for near in prediction["nearest"]]
        assert len(distances) == 3
        assert distances == sorted(distances)
        assert all(Path(near["picture"]).parent == Path("support") / near["class"] for near in prediction["nearest"])
    flat_query()
    assert json.loads(predict("--format", "json").stdout)["accuracy"] is None


@pytest.mark.parametrize("shape", ["csv", "json"])
def test_a_file_has_the_format_of_its_suffix(predict: Predict, shape: str) -> None:
    done = predict("--out", f"made/p.{shape}")
    assert done.stdout.splitlines()[0].startswith("Accuracy: ")
    assert done.stdout.splitlines()[-1] == f"Saved made/p.{shape}."
    assert Path(f"made/p.{shape}").read_text() == predict("--format", shape).stdout


def test_csv_has_a_line_for_each_picture_and_no_formula(predict: Predict) -> None:
    shutil.move("query", "=query")
    done = predict("--format", "csv", "--query", "=query")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 6
    assert all(row["picture"].startswith("'=query/") for row in rows)
    assert {row["true_class"] for row in rows} == {"wave-0", "wave-1", "wave-2"}
    shares = [[float(value) for key, value in row.items() if key.startswith("p(")] for row in rows]
    assert all(sum(share) == pytest.approx(1, abs=1e-5) for share in shares)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--out", "p.txt"), "--out p.txt must end in .csv or .json. Choose another name."),
        (("--out", "p.html"), "--out p.html must end in .csv or .json. Choose another name."),
        (("--sheet", "s.csv"), "--sheet s.csv must end in .html or .htm. Choose another name."),
        (("--out", "support/wave-0/0.png/p.csv"), "support/wave-0/0.png cannot be written"),
        (("--batch", "0"), "0 is not in the range x>=1"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    predict: Predict, option: tuple[str, str], sentence: str
) -> None:
    done = predict(*option)
    assert done.exit_code == 2
    assert sentence in done.stderr


@pytest.mark.parametrize("batch", ["1", "4"])
def test_the_batch_does_not_change_the_predictions(predict: Predict, batch: str) -> None:
    first, second = (json.loads(predict("--format", "json", *more).stdout) for more in ((), ("--batch", batch)))
    assert [p["class"] for p in first["predictions"]] == [p["class"] for p in second["predictions"]]
    assert first["temperature"] == pytest.approx(second["temperature"], rel=1e-3)


def test_unreadable_pictures_are_named_and_skipped(predict: Predict) -> None:
    Path("query/wave-0/4.png").write_bytes(b"")
    Path("support/wave-1/0.png").write_bytes(b"not a picture")
    done = predict("--format", "json")
    assert done.exit_code == 0, done.output
    reasons = {
        "support/wave-1/0.png": f"it is not in one of the formats {', '.join(FORMATS)}",
        "query/wave-0/4.png": "it is empty",
    }
    skipped = [f"{file} cannot be read as a picture ({why}). Remove or replace it." for file, why in reasons.items()]
    assert done.stderr.splitlines() == [f"Skipped: {sentence}" for sentence in skipped]
    data = json.loads(done.stdout)
    assert data["skipped"] == skipped
    assert len(data["predictions"]) == data["accuracy"]["images"] == 5
    assert all("support/wave-1/0.png" not in str(p["nearest"]) for p in data["predictions"])


def test_of_many_unreadable_pictures_ten_are_named(predict: Predict) -> None:
    for number in range(13):
        Path(f"query/{number}.png").touch()
    lines = predict().stderr.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "Skipped 3 more images."


@pytest.mark.parametrize("file", ["support/wave-1/0.png", "query/wave-0/4.png"])
def test_strict_refuses_the_first_unreadable_picture(predict: Predict, file: str) -> None:
    Path(file).write_bytes(b"")
    done = predict("--strict")
    assert done.exit_code == 2
    assert done.stderr == f"Error: {file} cannot be read as a picture (it is empty). Remove or replace it.\n"


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("support/wave-1/*", "No support image of the class 'wave-1' can be read. support/wave-1/0.png cannot be read"),
        ("query/*/*", "No query image can be read. query/wave-0/4.png cannot be read"),
    ],
)
def test_nothing_is_predicted_where_nothing_can_be_read(predict: Predict, pattern: str, sentence: str) -> None:
    Path("support/wave-0/0.png").write_bytes(b"")
    for file in Path().glob(pattern):
        file.write_bytes(b"")
    done = predict()
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {sentence}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda: Path("query").rename("gone"), "The folder query does not exist."),
        (lambda: Path("support").rename("gone"), "The folder support does not exist."),
        (
            lambda: shutil.copy(shutil.move("support", "gone") / Path("wave-0/0.png"), "support"),
            "support is not a folder.",
        ),
        (lambda: Path("support/empty").mkdir(), "support/empty has no image. Add at least one, or remove the class."),
        (lambda: Path("support/\udcff").mkdir(), "The name '\\udcff' is not valid UTF-8."),
        (lambda: Path("query/\udcff.png").touch(), "The name '\\udcff.png' is not valid UTF-8."),
        (lambda: Path("query/loop.png").symlink_to("loop.png"), "query/loop.png is part of a loop of links."),
        (lambda: Path("query/out.png").symlink_to("../support/wave-0/0.png"), "query/out.png is a link that leads out"),
    ],
    ids=["no query", "no support", "a file", "empty class", "class name", "file name", "loop", "leads out"],
)
def test_a_wrong_folder_is_one_line_on_stderr(predict: Predict, damage: Callable[[], object], sentence: str) -> None:
    damage()
    done = predict()
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")


def test_a_folder_whose_own_name_is_not_text_is_refused(predict: Predict) -> None:
    Path("query").rename("\udcff")
    assert "is not valid UTF-8" in predict("--query", "\udcff").stderr


def test_pictures_beside_the_class_folders_are_reported(predict: Predict) -> None:
    shutil.copy("query/wave-0/4.png", "support")
    done = predict()
    assert done.stderr == "Left out 1 image beside the class folders of support. Move them into one.\n"
    assert done.exit_code == 0


def test_a_contact_sheet_is_saved(predict: Predict) -> None:
    done = predict("--sheet", "sheet.html")
    assert done.stdout.splitlines()[-1] == "Saved sheet.html."
    page = Path("sheet.html").read_text()
    assert page.count("<article") == 6
    assert "Backbone: toy-vit. Adapter: none. Support images: support." in page


def test_a_plain_peft_lora_is_an_adapter(predict: Predict) -> None:
    torch.manual_seed(0)
    write_peft(Path("lora"))
    plain, adapted = (json.loads(predict("--format", "json", *more).stdout) for more in ((), ("--adapter", "lora")))
    distances = [[p["nearest"][0]["distance"] for p in data["predictions"]] for data in (plain, adapted)]
    assert distances[0] != pytest.approx(distances[1], rel=0.01)


def test_the_head_of_a_lora_does_not_matter(predict: Predict) -> None:
    shutil.copytree(POOL / "lora-000", "lora")
    with_head = predict("--format", "json", "--adapter", "lora").stdout
    Path("lora/head.safetensors").unlink()
    done = predict("--format", "json", "--adapter", "lora")
    assert done.exit_code == 0, done.output
    assert done.stdout == with_head


def test_the_backbone_of_a_pools_lora_is_in_its_files(predict: Predict) -> None:
    shutil.copytree(POOL / "lora-000", "lora")
    done = predict("--adapter", "lora", backbone="")
    assert done.exit_code == 0, done.output


def write_without_network(folder: Path) -> None:
    write_peft(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))


def write_for_wider_network(folder: Path) -> None:
    write_peft(folder)
    layer = "base_model.model.blocks.0.attn.qkv"
    factors = {f"{layer}.lora_A.weight": torch.rand(2, 384), f"{layer}.lora_B.weight": torch.rand(1152, 2)}
    save_file(factors, folder / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("make", "backbone", "sentence"),
    [
        (
            write_peft,
            "",
            "The LoRAs in lora were tuned on 'x', which is not a folder here, a hub id or a name in timm. Set",
        ),
        (write_without_network, "", "The LoRAs in lora do not name the network they were tuned on"),
        (write_for_wider_network, "toy-vit", "lora/adapter_model.safetensors: the LoRA maps 384 to 1152 features, but"),
        (Path.mkdir, "toy-vit", "lora is not an adapter: it has neither freeshot.json nor adapter_config.json."),
        (Path.touch, "toy-vit", "lora is a file. Give the folder of an adapter"),
        (lambda folder: None, "toy-vit", "The folder lora does not exist."),
    ],
    ids=["unknown network", "no network", "other network", "empty folder", "file", "missing"],
)
def test_an_adapter_that_cannot_be_used_is_one_line_on_stderr(
    predict: Predict, make: Callable[[Path], object], backbone: str, sentence: str
) -> None:
    make(Path("lora"))
    done = predict("--adapter", "lora", backbone=backbone)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
