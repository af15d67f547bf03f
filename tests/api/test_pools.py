"""Pools in memory, and the names of what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import freeshot as fs
from freeshot.basics.errors import PoolError, UnknownNameError
from freeshot.testing.toy import POOL

if TYPE_CHECKING:
    from tests.conftest import Toy


def test_a_pool_is_loaded_by_name_or_folder() -> None:
    named, by_folder = fs.load_pool("toy"), fs.load_pool(POOL)
    assert named.sha256 == by_folder.sha256
    assert [lora.name for lora in named] == [lora.name for lora in by_folder]
    assert repr(named) == "LoraPool 'toy': 4 LoRAs on toy-vit"
    assert repr(named[0]).startswith("LoraEntry 'lora-000': rank 2, toy-waves/wave-0, ")


def test_a_part_and_a_variant_of_a_pool_are_loaded_by_name() -> None:
    pool = fs.load_pool("pocket/sketch+noise50")
    assert pool.name == "pocket/sketch+noise50"
    assert {lora.facts["dataset"] for lora in pool} == {"sketch"}
    assert len(pool) < len(fs.load_pool("pocket"))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("tois", UnknownNameError, "No pool is called 'tois'. Did you mean 'toy'?"),
        ("pocket/birds", PoolError, "The pool 'pocket' has no LoRA that was tuned on 'birds'. Choose 'pocket' itself."),
        ("toy+salt30", PoolError, "Invalid variant 'salt30'"),
    ],
)
def test_a_missing_pool_is_refused(name: str, error: type[fs.FreeshotError], message: str) -> None:
    with pytest.raises(error) as raised:
        fs.load_pool(name)
    assert message in str(raised.value)


def test_a_pool_is_displayed_in_a_notebook() -> None:
    html = fs.load_pool("toy")._repr_html_()
    assert "<caption>LoraPool &#x27;toy&#x27;: 4 LoRAs on toy-vit</caption>" in html
    assert "<td>lora-000</td><td>2</td><td>100.0 %</td><td>toy-waves/wave-0, " in html


def test_names_are_listed_and_filtered() -> None:
    assert fs.list_methods("lora-re*") == ["lora-recycle"]
    assert fs.list_tracks("toy/*") == ["toy/in-domain/2w1s", "toy/in-domain/2w2s"]
    assert "toy" in fs.list_suites()
    assert fs.list_pools("t*") == ["toy"]
    assert "local" in fs.list_launchers()
    assert "toy-vit" in fs.list_backbones()
    assert "toy-waves" in fs.list_datasets()
    assert "lora-inversion" in fs.list_inversions()
    assert "prototype" in fs.list_meta_learners()
    assert "cls-attention" in fs.list_strategies()
    assert fs.list_methods("nothing") == []


def test_names_of_the_users_data_sets_and_pools_are_listed(tmp_path: Path, toy: Toy) -> None:
    import shutil

    from tests.pictures import noise_pictures

    from freeshot.workflows.add_dataset import AddRequest, add_dataset

    folder = noise_pictures(tmp_path / "pictures", classes=8, each=4)
    sizes: dict[str, Any] = {"way": 2, "query": 2, "episodes": 3, "shares": (0.5, 0.25, 0.25)}
    add_dataset(AddRequest("mine", folder, tmp_path / "data", pool="toy", backbone="toy-vit", **sizes), toy.catalogue)
    assert "mine" in fs.list_datasets(data=tmp_path / "data")
    assert fs.list_tracks("own/*", data=tmp_path / "data") == ["own/mine/2w1s"]
    shutil.copytree(POOL, tmp_path / "pools" / "ours")
    assert "ours" in fs.list_pools(pools=tmp_path / "pools")
