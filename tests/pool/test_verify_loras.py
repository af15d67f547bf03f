"""A LoRA is verified by its accuracy on labelled pictures of its classes, the same number of each."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from freeshot.contracts.pool import LoraEntry
from freeshot.engine import open_backbone
from freeshot.engine.vit.backbone import Backbone
from freeshot.pool.import_pool import ImportRules, examine_loras
from freeshot.pool.verify_loras import PER_CLASS, Verification, verify_lora
from freeshot.testing.toy import PER_CLASS as PICTURES
from freeshot.testing.toy import POOL, ToyImages, ToyVit

if TYPE_CHECKING:
    from freeshot.contracts.pool import LoraPool

Pictures = dict[str, list[Path]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """Return picture files of the toy world's base classes, by the names that its pool gives to them."""
    images, folder = ToyImages(tuple(range(6))), tmp_path_factory.mktemp("pictures")
    files: Pictures = {}
    for index, label in enumerate(images.labels.tolist()):
        name = f"toy-waves/{images.classes[label]}"
        file = folder / f"{label}-{index % PICTURES}.png"
        Image.fromarray(images.read([index])[0].permute(1, 2, 0).numpy()).save(file)
        files.setdefault(name, []).append(file)
    return files


@pytest.fixture
def entry(pool: LoraPool) -> LoraEntry:
    return pool["lora-000"]


def measured(entry: LoraEntry, backbone: Backbone, pictures: Pictures) -> Verification:
    verification = verify_lora(entry, backbone, pictures)
    assert verification is not None
    return verification


def test_a_lora_on_its_own_weights_is_above_chance(entry: LoraEntry, backbone: Backbone, pictures: Pictures) -> None:
    verification = measured(entry, backbone, pictures)
    assert (verification.pictures, verification.classes) == (5 * PER_CLASS, 5)
    assert verification.accuracy > 0.9
    assert verification.is_above_chance


def test_class_names_in_another_order_are_at_chance(entry: LoraEntry, backbone: Backbone, pictures: Pictures) -> None:
    turned = replace(entry, classes=entry.classes[1:] + entry.classes[:1])
    verification = measured(turned, backbone, pictures)
    assert verification.accuracy < 0.2
    assert not verification.is_above_chance


def test_a_lora_on_other_weights_is_less_accurate(entry: LoraEntry, backbone: Backbone, pictures: Pictures) -> None:
    other = open_backbone(ToyVit())
    for number, weight in enumerate(other.vit.parameters()):
        weight.copy_(weight.flatten().roll(7 * number + 1).view_as(weight))
    assert measured(entry, other, pictures).accuracy < 0.6 < measured(entry, backbone, pictures).accuracy


def test_each_class_has_the_same_weight_for_any_number_of_pictures(
    entry: LoraEntry, backbone: Backbone, pictures: Pictures
) -> None:
    first, second, *_ = entry.classes
    uneven = {first: pictures[first], second: pictures[second][:3], "toy-waves/wave-3": pictures["toy-waves/wave-3"]}
    verification = measured(entry, backbone, uneven)
    assert (verification.pictures, verification.classes, verification.chance) == (6, 2, 0.5)


def test_pictures_of_one_class_verify_nothing(entry: LoraEntry, backbone: Backbone, pictures: Pictures) -> None:
    name = entry.classes[0]
    assert verify_lora(entry, backbone, {name: pictures[name]}) is None


@pytest.mark.parametrize(
    ("correct", "pictures", "classes", "above", "conclusive"),
    [(4, 4, 2, False, False), (5, 5, 2, True, True), (7, 10, 2, False, True), (9, 10, 2, True, True)],
)
def test_an_accuracy_is_above_chance_where_a_binomial_test_shows_it(
    *, correct: int, pictures: int, classes: int, above: bool, conclusive: bool
) -> None:
    verification = Verification(correct, pictures, classes)
    by_hand = sum(_binomial(k, pictures, 1 / classes) for k in range(correct, pictures + 1))
    assert (by_hand < 0.05) is above is verification.is_above_chance
    assert verification.is_conclusive is conclusive


def _binomial(k: int, n: int, p: float) -> float:
    ways = 1.0
    for step in range(k):
        ways *= (n - step) / (step + 1)
    return ways * p**k * (1 - p) ** (n - k)


@pytest.mark.parametrize(
    ("names", "rule", "expected"),
    [
        (["0", "1", "2", "4", "5"], "refuse", "100 of 100 pictures correct"),
        (["1", "2", "4", "5", "0"], "refuse", "which is not above chance (20%). Choose the backbone it was tuned on,"),
        (["1", "2", "4", "5", "0"], "keep", " of 100 pictures correct"),
        (["a", "b", "c", "d", "e"], "refuse", "not verified: too few pictures of its classes"),
        (None, "refuse", "not verified: it has no class names"),
    ],
)
def test_an_import_with_pictures_measures_keeps_or_refuses(
    names: list[str] | None, rule: str, expected: str, backbone: Backbone, pictures: Pictures, tmp_path: Path
) -> None:
    shutil.copytree(POOL / "lora-000", tmp_path / "loras/one")
    if names:
        labels = [f'"toy-waves/wave-{name}"' for name in names]
        (tmp_path / "loras/one/labels.json").write_text(f"[{', '.join(labels)}]")
    rules = ImportRules(at_chance=rule, pictures=pictures)  # type: ignore[arg-type]
    (examined,) = examine_loras(tmp_path / "loras", backbone, rules)
    assert expected in (examined.problem or examined.verification)
    assert (examined.entry is None) is bool(examined.problem)
    if examined.entry is not None and "verified" not in expected:
        assert examined.entry.facts["own_pictures"]
