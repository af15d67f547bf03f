"""Weight files are located by name, read without running code, and verified."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from freeshot.basics.errors import DataError, OptionError
from freeshot.basics.files import file_sha256
from freeshot.contracts.component import build
from freeshot_vision.backbones.providers import ClipVitB16
from freeshot_vision.backbones.weight_files import Source, read_weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = {"one": torch.arange(6.0).view(2, 3)}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth", ".bin"])
def test_a_file_of_the_backbones_name_is_located(here: Path, ending: str) -> None:
    (here / "weights").mkdir()
    (here / "weights" / f"mine{ending}").touch()
    assert Source("").file("mine") == Path("weights") / f"mine{ending}"


def test_the_folder_of_weights_can_be_set(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREESHOT_WEIGHTS", str(here / "elsewhere"))
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "other.pt").touch()
    assert Source("other.pt").file("mine") == here / "elsewhere" / "other.pt"


def test_for_missing_weights_the_expected_path_is_named(here: Path) -> None:
    with pytest.raises(DataError) as caught:
        Source("").file("clip-vit-b16")
    assert str(caught.value) == (
        "The weights of 'clip-vit-b16' were not found: weights/clip-vit-b16.safetensors does not exist. Put them "
        "there (safetensors or torch; layout of timm, Hugging Face or OpenAI), or set a file with the option weights; "
        "FREESHOT_WEIGHTS sets the folder."
    )


def test_a_file_of_another_hash_is_refused(here: Path) -> None:
    save_file(WEIGHTS, here / "a.safetensors")
    right = file_sha256(here / "a.safetensors")
    assert Source("a.safetensors", sha256=right).file("mine") == Path("a.safetensors")
    with pytest.raises(DataError) as caught:
        Source("a.safetensors", sha256="0" * 64).file("mine")
    assert str(caught.value) == (
        f"The SHA-256 of a.safetensors differs ({right[:12]}… instead of 000000000000…). Get the file "
        "again, or correct sha256."
    )


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_torchs_files_are_read_with_the_weights_alone(tmp_path: Path, wrapper: str | None) -> None:
    torch.save(WEIGHTS if wrapper is None else {wrapper: WEIGHTS, "epoch": 3}, tmp_path / "a.pt")
    assert torch.equal(read_weights(tmp_path / "a.pt")["one"], WEIGHTS["one"])


class Harmful:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("harmed"),)


def test_a_pickled_object_is_never_opened(here: Path) -> None:
    (here / "a.pt").write_bytes(pickle.dumps(Harmful()))
    torch.save({"one": Harmful()}, here / "b.pt")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(DataError) as caught:
            read_weights(here / name)
        assert str(caught.value) == (
            f"{here / name} cannot be read as plain weights (UnpicklingError). Programs and pickled objects are never "
            "opened; save the network's state_dict() as safetensors."
        )
    assert not (here / "harmed").exists()


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "noise"])
def test_a_damaged_file_is_an_error(tmp_path: Path, ending: str, damage: str) -> None:
    path = tmp_path / f"a.{ending}"
    save_file(WEIGHTS, path) if ending == "safetensors" else torch.save(WEIGHTS, path)
    content = path.read_bytes()
    changed = {"cut": content[:20], "flipped": b"\xff" * 9 + content[9:], "empty": b"", "noise": bytes(range(256)) * 9}
    path.write_bytes(changed[damage])
    with pytest.raises(DataError, match="cannot be read as plain weights"):
        read_weights(path)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    save_file({"one": torch.tensor([1.0, float("nan")])}, tmp_path / "a.safetensors")
    with pytest.raises(DataError) as caught:
        read_weights(tmp_path / "a.safetensors")
    assert str(caught.value) == f"'one' in {tmp_path}/a.safetensors has infinite or NaN values. Get the file again."


def test_a_file_without_names_is_refused(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "a.pt")
    with pytest.raises(DataError) as caught:
        read_weights(tmp_path / "a.pt")
    assert str(caught.value) == f"{tmp_path}/a.pt contains no named weights. Save only the network's state_dict()."


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"weights": "hub:timm/a"},
            "'hub:timm/a' is not a valid hub file. Use weights=hub:OWNER/NAME/FILE.safetensors.",
        ),
        (
            {"weights": "hub:timm/a/../../b.safetensors"},
            ("'hub:timm/a/../../b.safetensors' is not a valid hub file. Use weights=hub:OWNER/NAME/FILE.safetensors."),
        ),
        (
            {"weights": "hub:timm/a/b.safetensors", "revision": "main", "sha256": "0" * 64},
            (
                "Hub files can change under their name. Pin them: set revision to the commit's 40 hexadecimal "
                "digits, and sha256 to the file's 64."
            ),
        ),
        ({"sha256": "ABC"}, "sha256 must be 64 hexadecimal digits in lower case, not 'ABC'."),
        ({"side": 0}, "side must be at least 1 pixel, not 0."),
    ],
)
def test_invalid_options_are_refused_before_anything_is_built(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionError) as caught:
        build(ClipVitB16, options)
    assert str(caught.value) == f"'clip-vit-b16' refuses its options: {reason}"


def test_a_hub_file_is_fetched_at_its_commit_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(WEIGHTS, tmp_path / "fetched.safetensors")
    requested: list[tuple[str, str, str]] = []

    def fetch(repository: str, file: str, *, revision: str) -> str:
        requested.append((repository, file, revision))
        return str(tmp_path / "fetched.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    right = file_sha256(tmp_path / "fetched.safetensors")
    actual = Source("hub:timm/vit/sub/a.safetensors", COMMIT, right).file("mine")
    assert (actual, requested) == (tmp_path / "fetched.safetensors", [("timm/vit", "sub/a.safetensors", COMMIT)])
    with pytest.raises(DataError, match=r"The SHA-256 of .* differs"):
        Source("hub:timm/vit/sub/a.safetensors", COMMIT, "0" * 64).file("mine")


def test_an_unreachable_hub_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError("no route to host\nand much more")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(DataError) as caught:
        Source("hub:timm/vit/a.safetensors", COMMIT, "0" * 64).file("mine")
    assert str(caught.value) == (
        "'hub:timm/vit/a.safetensors' could not be fetched (no route to host). Check name, revision and connection, or "
        "put the file there and set the option weights."
    )
