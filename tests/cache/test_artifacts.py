"""The artifact of a stage is stored whole or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import torch

import freeshot.cache.artifacts as module
from freeshot.basics.errors import StoreError
from freeshot.basics.files import write_text
from freeshot.cache.artifacts import Artifact, Artifacts

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = {"lr": 0.1, "names": ["a", "b"]}


def made(value: float = 1.0) -> Artifact:
    return Artifact({"x": torch.full((2, 3), value).T}, {"loss": value}, 2.5, 77)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_saved_artifact_is_loaded(tmp_path: Path) -> None:
    Artifacts(tmp_path).save("stage", RECIPE, made())
    actual = Artifacts(tmp_path).load("stage", RECIPE)
    assert actual is not None
    assert torch.equal(actual.tensors["x"], made().tensors["x"])
    assert (actual.facts, actual.seconds, actual.peak_bytes) == ({"loss": 1.0}, 2.5, 77)


def test_the_order_of_a_recipe_does_not_matter(tmp_path: Path) -> None:
    Artifacts(tmp_path).save("stage", RECIPE, made())
    assert Artifacts(tmp_path).load("stage", dict(reversed(RECIPE.items()))) is not None


@pytest.mark.parametrize(("stage", "recipe"), [("other", RECIPE), ("stage", RECIPE | {"lr": 0.2})])
def test_another_stage_or_recipe_has_no_artifact(tmp_path: Path, stage: str, recipe: dict[str, object]) -> None:
    Artifacts(tmp_path).save("stage", RECIPE, made())
    assert Artifacts(tmp_path).load(stage, recipe) is None


@pytest.mark.parametrize("name", ["card.json", "tensors.safetensors"])
@pytest.mark.parametrize("damage", [b"", b"[]", b"{"])
def test_a_damaged_artifact_is_ignored_and_can_be_saved_again(tmp_path: Path, name: str, damage: bytes) -> None:
    artifacts = Artifacts(tmp_path)
    artifacts.save("stage", RECIPE, made())
    (file,) = tmp_path.rglob(name)
    file.write_bytes(damage)
    assert artifacts.load("stage", RECIPE) is None
    artifacts.save("stage", RECIPE, made(2.0))
    again = artifacts.load("stage", RECIPE)
    assert again is not None
    assert again.facts == {"loss": 2.0}


def test_tensors_without_their_card_are_ignored(tmp_path: Path) -> None:
    Artifacts(tmp_path).save("stage", RECIPE, made())
    (card,) = tmp_path.rglob("card.json")
    card.unlink()
    assert Artifacts(tmp_path).load("stage", RECIPE) is None


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "write_text", fail)
    with pytest.raises((StoreError, KeyboardInterrupt)):
        Artifacts(tmp_path).save("stage", RECIPE, made())
    assert files(tmp_path) == []
    assert Artifacts(tmp_path).load("stage", RECIPE) is None


def test_a_full_disk_is_an_error_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_text", fail)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\)\. Free space or choose"):
        Artifacts(tmp_path).save("stage", RECIPE, made())


def test_two_processes_may_save_the_same_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(tmp_path)
    written = write_text

    def meanwhile(path: Path, text: str) -> None:
        monkeypatch.setattr(module, "write_text", written)
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # the other process saves right after our check
        artifacts.save("stage", RECIPE, made(1.0))
        written(path, text)

    monkeypatch.setattr(module, "write_text", meanwhile)
    artifacts.save("stage", RECIPE, made(1.0))
    assert artifacts.load("stage", RECIPE) is not None


def test_an_artifact_with_changed_facts_is_ignored(tmp_path: Path) -> None:
    Artifacts(tmp_path).save("stage", RECIPE, made())
    (card,) = tmp_path.rglob("card.json")
    card.write_text(card.read_text().replace('"loss": 1.0', '"loss": 0.0'))
    assert Artifacts(tmp_path).load("stage", RECIPE) is None
