"""`data` lists, checks and adds data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.pictures import noise_pictures

if TYPE_CHECKING:
    from tests.cli.conftest import Call

PLUGINS = "toy,vision,baselines,launchers"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return noise_pictures(tmp_path / "pictures", classes=8, each=4)


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


ADD = [
    "--pool",
    "toy",
    "--backbone",
    "toy-vit",
    "--way",
    "2",
    "--query",
    "2",
    "--episodes",
    "9",
    "--shares",
    "0.5,0.25,0.25",
]


def test_an_added_data_set_is_listed_checked_and_run(call: Call, pictures: Path) -> None:
    done = call("data", "add", "mine", "pictures", *ADD, "--domain", "noise", "--license", "CC0", plugins=PLUGINS)
    assert done.exit_code == 0, done.output
    assert "novel 2 8 4" in lines(done.stdout)[3]
    assert lines(done.stdout)[4:] == [
        "Split: 0.5 base, 0.25 validation, 0.25 novel; seed 0.",
        "Added 'mine': data/own/mine.json",
        "Run it: freeshot run --track own/mine/2w1s --method frozen-prototype",
    ]
    assert "mine noise CC0 4 base, 2 validation, 2 novel present" in lines(call("data", "list", plugins=PLUGINS).stdout)
    assert "novel 2 8 4" in lines(call("data", "check", "mine", plugins=PLUGINS).stdout)[3]
    ran = call("run", "--track", "own/mine/2w1s", "--method", "frozen-prototype", plugins=PLUGINS)
    assert ran.exit_code == 0, ran.output
    assert "1 cell ran: 1 finished." in ran.stdout


def test_pictures_in_unsupported_formats_are_reported(call: Call, pictures: Path) -> None:
    (pictures / "kind-0" / "a.heic").touch()
    (pictures / "kind-1" / "b.avif").touch()
    message = "Left out 2 files in unsupported formats: .avif, .heic. Save images as PNG or JPEG.\n"
    done = call("data", "add", "mine", "pictures", *ADD, plugins=PLUGINS)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith(message)
    for file in (pictures / "kind-1").glob("*.png"):
        file.unlink()
    refused = call("data", "add", "mine", "pictures", *ADD, plugins=PLUGINS)
    assert refused.stderr.startswith(message)
    assert "kind-1 has no image." in refused.stderr


def test_it_is_available_only_in_its_data_folder(call: Call, pictures: Path) -> None:
    call("data", "add", "mine", "pictures", *ADD, "--data", "there", plugins=PLUGINS)
    assert call("data", "check", "mine", plugins=PLUGINS).exit_code == 2
    assert call("data", "check", "mine", "--data", "there", "--quick", plugins=PLUGINS).exit_code == 0


def test_near_duplicates_and_broken_images_are_reported(call: Call, pictures: Path) -> None:
    call("data", "add", "mine", "pictures", *ADD, plugins=PLUGINS)
    same = next(path for path in sorted(pictures.iterdir()))
    for folder in pictures.iterdir():
        (folder / "0.png").write_bytes((same / "0.png").read_bytes())
    broken = pictures / "kind-3" / "1.png"
    broken.write_bytes(b"no picture")
    done = call("data", "check", "mine", plugins=PLUGINS)
    assert done.exit_code == 1
    assert f"{broken} cannot be read as a picture" in done.stderr
    assert "are the same." in done.stderr
    quick = call("data", "check", "mine", "--quick", plugins=PLUGINS)
    assert (quick.exit_code, quick.stderr) == (0, "")


def test_a_check_shows_its_progress(call: Call, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("data", "add", "mine", "pictures", *ADD, plugins=PLUGINS)
    monkeypatch.setattr("freeshot.cli.progress.EVERY", 0.0)
    shown = lines(call("data", "check", "mine", plugins=PLUGINS).stdout)
    assert [line.partition(",")[0] for line in shown if line.startswith("mine: ")][::8] == [
        "mine: check 3 %",
        "mine: check 28 %",
        "mine: check 53 %",
        "mine: check 78 %",
    ]
    assert "mine: " not in call("data", "check", "mine", "--quick", plugins=PLUGINS).stdout


def test_for_a_missing_published_set_the_archive_and_its_folder_are_named(call: Call, pictures: Path) -> None:
    done = call("data", "check", "eurosat", plugins=PLUGINS)
    assert done.exit_code == 2
    assert "EuroSAT was not found in data/eurosat. Put the archive 'EuroSAT_RGB.zip'" in done.stderr
    listed = lines(call("data", "list", plugins=PLUGINS).stdout)
    assert "eurosat satellite images MIT 10 novel missing" in listed


def test_many_pairs_and_broken_images_are_counted(call: Call, pictures: Path) -> None:
    call("data", "add", "mine", "pictures", *ADD, plugins=PLUGINS)
    good = (pictures / "kind-0" / "0.png").read_bytes()
    for path in sorted(pictures.rglob("*.png")):
        path.write_bytes(good if path.name < "2" else b"no picture")
    done = call("data", "check", "mine", plugins=PLUGINS)
    assert "6 more images cannot be read." in done.stderr
    assert "22 more pairs of a base and a novel image are near-duplicates." in done.stderr


def test_shares_that_are_not_numbers_are_an_error(call: Call, pictures: Path) -> None:
    done = call("data", "add", "mine", "pictures", "--shares", "a,b", plugins=PLUGINS)
    assert done.exit_code == 2
    assert "'a,b' is not a list of numbers" in done.stderr


def test_a_damaged_manifest_is_one_line_on_stderr(call: Call, pictures: Path) -> None:
    (pictures.parent / "data" / "own").mkdir(parents=True)
    (pictures.parent / "data" / "own" / "odd.json").write_text("{")
    done = call("data", "list", plugins=PLUGINS)
    assert done.exit_code == 0
    assert "Plugin 'own-odd' (your data ):" in done.stderr


@pytest.fixture
def added(call: Call, pictures: Path) -> Path:
    """Add a data set, run it once, and return its manifest."""
    assert call("data", "add", "mine", "pictures", *ADD, plugins=PLUGINS).exit_code == 0
    run = ("run", "--track", "own/mine/2w1s", "--method", "frozen-prototype")
    assert call(*run, plugins=PLUGINS).exit_code == 0
    return Path("data/own/mine.json")


def test_an_added_data_set_is_removed_without_its_images(call: Call, added: Path, pictures: Path) -> None:
    images = sorted(pictures.rglob("*.png"))
    done = call("data", "remove", "mine", "--yes", plugins=PLUGINS)
    assert (done.exit_code, done.stdout) == (0, "Removed 'mine'. Its images were not touched.\n")
    assert not [path for path in Path("data").rglob("*") if path.is_file()]
    assert sorted(pictures.rglob("*.png")) == images
    assert list(Path("results").rglob("*.json"))
    assert "mine" not in call("data", "list", plugins=PLUGINS).stdout


def test_nothing_is_removed_without_a_confirmation(call: Call, added: Path) -> None:
    done = call("data", "remove", "mine", plugins=PLUGINS)  # there is no input
    assert done.exit_code == 1
    assert "Remove the data set 'mine'? Its images and records are kept. [y/N]" in done.output
    assert added.exists()


def test_a_data_set_with_a_damaged_manifest_can_be_removed(call: Call, added: Path) -> None:
    added.write_text("{")
    assert call("data", "remove", "mine", "-y", plugins=PLUGINS).exit_code == 0
    assert not added.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mein", "No data set of yours in data is called 'mein'. Did you mean 'mine'? Known: mine."),
        ("toy-waves", "'toy-waves' is a data set of freeshot 0.1.0, not one that you added."),
        ("../own/mine", "No data set of yours in data is called '../own/mine'."),
    ],
)
def test_only_added_data_sets_are_removed(call: Call, added: Path, name: str, sentence: str) -> None:
    done = call("data", "remove", name, "--yes", plugins=PLUGINS)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert added.exists()
