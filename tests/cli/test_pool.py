"""`pool` shows, checks and builds pools."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.pool.store import write_card, write_entry

if TYPE_CHECKING:
    from tests.cli.conftest import Call
    from tests.conftest import Install


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "mix"
    factors = {Slot("blocks.0.attn.qkv", 0, 4): (torch.ones(2, 3), torch.ones(4, 2))}
    facts = {"held_out_accuracy": 0.9234}
    classes = ("sketch/cat", "sketch/dog")
    entry = LoraEntry("lora-000", 2, factors, torch.ones(2, 3), torch.ones(2), classes, (0, 1), facts)
    line = write_entry(folder / entry.name, entry, "tiny", {"blocks.0.attn.qkv": 4})
    write_card(folder, "mix", "tiny", "abcdef0123456789", [line], "CC0")
    return folder


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_pool_is_shown_by_its_folder(call: Call, pool: Path) -> None:
    assert lines(call("pool", "show", str(pool), plugins="").stdout) == [
        "mix: 1 LoRA on tiny abcdef01…",
        "Licence: CC0",
        "name rank held-out accuracy classes",
        "lora-000 2 92.3 % sketch/cat, sketch/dog",
    ]


def test_a_pool_is_shown_by_its_name(call: Call, install: Install, pool: Path) -> None:
    install("fake", f"@hookimpl\ndef freeshot_pools(): return [('mix', {str(pool)!r})]")
    assert "lora-000" in call("pool", "show", "mix").stdout


def test_for_an_unknown_pool_the_nearest_name_is_suggested(call: Call, install: Install, pool: Path) -> None:
    install("fake", f"@hookimpl\ndef freeshot_pools(): return [('mix', {str(pool)!r})]")
    done = call("pool", "show", "mox")
    assert done.exit_code == 2
    assert "No pool is called 'mox'. Did you mean 'mix'?" in done.stderr


def test_a_good_pool_has_a_line_per_lora(call: Call, pool: Path) -> None:
    done = call("pool", "check", str(pool), plugins="")
    assert done.stdout == "lora-000: ok (rank 2, 2 classes, 1 adapted layer)\n"


def test_a_damaged_pool_fails_and_the_damaged_file_is_named(call: Call, pool: Path) -> None:
    (pool / "lora-000" / "head.safetensors").write_bytes(b"damage")
    done = call("pool", "check", str(pool), plugins="")
    assert done.exit_code == 2
    assert "head.safetensors" in done.stderr


def test_a_folder_without_a_pool_is_an_error(call: Call, tmp_path: Path) -> None:
    done = call("pool", "check", str(tmp_path), plugins="")
    assert done.exit_code == 2
    assert "is not a pool: it has no pool.json" in done.stderr


@pytest.mark.parametrize("verb", ["show", "check"])
def test_a_pool_in_the_folder_of_pools_is_selected_by_its_name(
    call: Call, pool: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pool.parent)
    output = call("pool", verb, str(pool), plugins="").stdout
    assert "lora-000" in output
    Path("pools").mkdir()
    pool.rename("pools/mix")
    assert call("pool", verb, "mix", plugins="").stdout == output
    Path("pools").rename("elsewhere")
    assert "No pool is called 'mix'." in call("pool", verb, "mix", plugins="").stderr
    assert call("pool", verb, "mix", "--pools", "elsewhere", plugins="").stdout == output


def test_a_pool_that_is_selected_by_its_name_is_checked_against_a_network(
    call: Call, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pool.parent / "elsewhere").mkdir()
    pool.rename(pool.parent / "elsewhere" / "mix")
    monkeypatch.chdir(pool.parent)
    done = call("pool", "check", "mix", "--pools", "elsewhere", "--backbone", "toy-vit", plugins="toy")
    assert done.exit_code == 2
    assert "The pool 'mix' was tuned on tiny (abcdef01…)" in done.stderr


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the fields of the next build request; nothing is built."""
    requested: dict[str, Any] = {}

    def build_pool(request: Any, catalogue: object, host: object) -> object:
        return type("Pool", (), {"name": request.name, "path": request.out, "__len__": lambda _: request.count})()

    module = ModuleType("freeshot.pool.build")
    vars(module)["PoolRequest"] = lambda **fields: requested.update(fields) or SimpleNamespace(**fields)
    vars(module)["build_pool"] = build_pool
    monkeypatch.setitem(sys.modules, "freeshot.pool.build", module)
    return requested


def test_the_options_of_build_reach_the_request(call: Call, requested: dict[str, Any]) -> None:
    arguments = ("--source", "sketch", "--source", "fonts", "--count", "8", "--backbone", "tiny", "--rank", "2")
    more = ("--targets", "q, v,fc1", "--no-flip")
    done = call("pool", "build", "mix", *arguments, *more, plugins="")
    assert done.stdout == "Saved the pool 'mix' (8 LoRAs) in pools/mix.\n", done.output
    assert requested == {
        "name": "mix",
        "sources": ("sketch", "fonts"),
        "count": 8,
        "out": Path("pools/mix"),
        "backbone": "tiny",
        "rank": 2,
        "targets": ("q", "v", "fc1"),
        "flip": False,
        "shift": 0.0,
        "clip": 0.0,
        "steps": 150,
        "batch": 32,
        "lr": 1e-3,
        "head_lr": 0.0,
        "way": 5,
        "held_out_images": 0,
        "seed": 0,
        "device": "cpu",
        "precision": "fp32",
        "data": Path("data"),
        "penalty": None,
        "at_once": 8,
    }


PLAN = "@hookimpl\ndef freeshot_pool_plans(): return [PoolPlan('lab/two', ('sketch', 'fonts'), 7, 'tiny', steps=9)]"


def test_a_planned_pool_is_built_by_its_plan(call: Call, install: Install, requested: dict[str, Any]) -> None:
    install("fake", PLAN)
    done = call("pool", "build", "lab/two")
    assert done.stdout == "Saved the pool 'lab/two' (7 LoRAs) in pools/lab/two.\n", done.output
    assert (requested["sources"], requested["backbone"], requested["steps"], requested["batch"]) == (
        ("sketch", "fonts"),
        "tiny",
        9,
        32,
    )


def test_a_name_that_is_taken_is_refused(call: Call, install: Install, requested: dict[str, Any], pool: Path) -> None:
    install("fake", f"@hookimpl\ndef freeshot_pools(): return [('mix', {str(pool)!r})]")
    size = ("--source", "sketch", "--count", "8", "--backbone", "tiny")
    for name, taken in {"mix": "that one", "mix/sketch": "a part of it"}.items():
        done = call("pool", "build", name, *size)
        assert done.exit_code == 2
        assert f"The pool 'mix' is shipped by freeshot-fake 1.0, and '{name}' would refer to {taken}." in done.stderr
    assert not requested


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a//b", "a/", "a/b/c", "a+b", ".a", "./a", "a:b", ""])
def test_a_name_that_leads_elsewhere_is_refused(call: Call, requested: dict[str, Any], name: str) -> None:
    done = call("pool", "build", name, "--source", "sketch", "--count", "8", "--backbone", "tiny", plugins="")
    assert done.exit_code == 2
    assert f"'{name}' is not a valid pool name." in done.stderr
    assert not requested


def test_a_planned_pool_keeps_its_name_however_many_parts_it_has(
    call: Call, install: Install, requested: dict[str, Any]
) -> None:
    install("fake", PLAN.replace("lab/two", "lab/of/two"))
    done = call("pool", "build", "lab/of/two")
    assert done.stdout == "Saved the pool 'lab/of/two' (7 LoRAs) in pools/lab/of/two.\n", done.output


def test_options_take_precedence_over_a_pools_plan(call: Call, install: Install, requested: dict[str, Any]) -> None:
    install("fake", PLAN)
    call("pool", "build", "lab/two", "--steps", "150", "--count", "2")
    assert (requested["steps"], requested["count"], requested["backbone"]) == (150, 2, "tiny")


def test_a_pool_without_a_plan_requires_its_options(call: Call) -> None:
    done = call("pool", "build", "mix", "--count", "2", plugins="")
    assert done.exit_code == 2
    assert "There is no plan for a pool 'mix', so its options are required. Set --source and --backbone." in (
        done.stderr
    )


def test_planned_pools_are_listed_with_the_command_that_builds_them(
    call: Call, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("fake", PLAN)
    monkeypatch.chdir(tmp_path)
    assert "lab/two not built yet: freeshot pool build lab/two --device auto" in " ".join(
        call("list", "pools").stdout.split()
    )


def test_a_planned_pool_is_explained(call: Call, install: Install) -> None:
    install("fake", PLAN)
    output = lines(call("show", "lab/two").stdout)
    assert output[0] == "lab/two pool, built with: freeshot pool build lab/two --device auto"
    assert "sources sketch, fonts" in output
    assert "count 7" in output


def test_the_cost_of_a_pool_is_estimated_without_images(call: Call) -> None:
    size = ("--count", "3", "--steps", "5", "--batch", "4", "--way", "2")
    done = call(
        *("pool", "build", "x", "--source", "no-such-set", "--backbone", "toy-vit", *size, "--dry-run"),
        plugins="toy",
    )
    assert done.stdout.startswith("3 LoRAs, 5 steps of 4 images each: 60 images forward and backward, "), done.output
    assert "FLOP. Loading images and evaluating the held-out ones are not included." in done.stdout


def test_pools_are_listed_with_their_folders(
    call: Call, install: Install, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pool.parent)
    install("fake", f"@hookimpl\ndef freeshot_pools(): return [('mix', 'shipped/mix')]\n{PLAN}")
    Path("own").mkdir()
    pool.rename("own/mine")
    assert lines(call("pool", "list", "--pools", "own").stdout) == [
        "name folder or build command origin",
        "mix shipped/mix freeshot-fake 1.0",
        "mine own/mine yours",
        "lab/two not built yet: freeshot pool build lab/two --device auto --out own/lab/two",
    ]
