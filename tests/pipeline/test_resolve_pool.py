"""A run can use the user's pool: it is located, its hash is part of the cell, and its name is on the board."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.basics.errors import MissingPoolError, PoolError, UnknownNameError
from freeshot.contracts.pool import PoolPlan
from freeshot.contracts.tracks import Track
from freeshot.launch.plan import Plan, plan_run
from freeshot.launch.runner import execute_plan
from freeshot.leaderboard.board import boards
from freeshot.pipeline.cell import CellRun
from freeshot.pool.locate import absolute_pool_name, built_pools, find_pool
from freeshot.records.models import RunRecord
from freeshot.records.store import record_path
from freeshot.testing.toy import POOL
from freeshot.workflows.reproduce import rebuild

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.pipeline.resolve import PlannedCell

PLAN = PoolPlan("lab/two", ("toy-waves",), 2, "toy-vit", rank=2, way=2, steps=2)
OPTIONS = ("inversion.iterations=1", "learner.iterations=2", "per_class=4")


@pytest.fixture
def pools(toy: Toy) -> Path:
    """Return a folder that holds the toy pool under another name."""
    shutil.copytree(POOL, toy.folder / "pools" / "mine")
    return toy.folder / "pools"


def cell_of(toy: Toy, method: str, pools: Path, **changes: Any) -> PlannedCell:
    (cell,) = plan_run(toy.request(method, pools=pools, **changes), toy.catalogue).cells
    return cell


def record_of(toy: Toy, method: str, pools: Path, **changes: Any) -> RunRecord:
    request = toy.request(method, pools=pools, **changes)
    plan = plan_run(request, toy.catalogue)
    execute_plan(plan, request, toy.catalogue)
    return RunRecord.read(record_path(request.results, plan.cells[0].spec))


# --- locating -----------------------------------------------------------------------------------


def test_the_name_of_a_pool_is_absolute_for_workers_in_other_folders(
    toy: Toy, pools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()  # a folder of that name, as the one it was imported from
    shutil.copytree(POOL, tmp_path / "there")
    named = [
        absolute_pool_name(name, toy.catalogue, pools) for name in ("toy", "mine", "there", "there/toy-waves+noise30")
    ]
    assert named == ["toy", "mine", f"{tmp_path}/there", f"{tmp_path}/there/toy-waves+noise30"]


def test_a_pool_is_located_by_name_and_by_folder(toy: Toy, pools: Path) -> None:
    shipped, own, folder = (find_pool(name, toy.catalogue, pools) for name in ("toy", "mine", str(pools / "mine")))
    assert (shipped.folder, shipped.shipped, shipped.identity) == (POOL, True, "")
    assert (own.folder, own.shipped) == (pools / "mine", False)
    assert (folder.name, folder.identity) == ("toy", own.identity)
    assert len(own.identity) == 64


def test_a_plugins_pool_takes_precedence_over_the_users_pool_of_that_name(toy: Toy, pools: Path) -> None:
    (pools / "mine").rename(pools / "toy")
    assert find_pool("toy", toy.catalogue, pools).folder == POOL


def test_a_part_and_a_variant_are_located_in_the_whole_pool(toy: Toy, pools: Path) -> None:
    location = find_pool("mine/toy-waves+noise30", toy.catalogue, pools)
    assert (location.folder, location.part) == (pools / "mine", "toy-waves")


def test_pools_in_folders_of_folders_have_a_slash_in_their_names(toy: Toy, pools: Path) -> None:
    (pools / "lab").mkdir()
    (pools / "mine").rename(pools / "lab" / "two")
    assert built_pools(pools) == ("lab/two",)
    toy.offer(pool_plans=[PLAN])
    assert find_pool("lab/two", toy.catalogue, pools).part == ""


def test_for_a_missing_planned_pool_the_build_command_is_named(toy: Toy, pools: Path) -> None:
    toy.offer(pool_plans=[PLAN])
    with pytest.raises(
        MissingPoolError, match=rf"Build it with: freeshot pool build lab/two --device auto --out {pools}"
    ):
        find_pool("lab/two", toy.catalogue, pools)


def test_for_an_unknown_pool_the_nearest_name_is_suggested(toy: Toy, pools: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"No pool is called 'mime'\. Did you mean 'mine'\?"):
        find_pool("mime", toy.catalogue, pools)


def test_a_folder_without_a_pool_is_an_error(toy: Toy, pools: Path, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"is not a pool: it has no pool\.json"):
        find_pool(str(tmp_path), toy.catalogue, pools)


def test_a_folder_with_the_name_of_another_pool_is_refused(toy: Toy, pools: Path) -> None:
    card = pools / "mine" / "pool.json"
    card.write_text(card.read_text().replace('"license": "', '"license": "Changed. '))
    with pytest.raises(
        PoolError, match=r"is named 'toy', but a plugin ships another pool of that name\. Import it under another name"
    ):
        find_pool(str(pools / "mine"), toy.catalogue, pools)


# --- running ------------------------------------------------------------------------------------


def test_a_cell_without_a_pool_does_not_depend_on_the_requested_pool(toy: Toy, pools: Path) -> None:
    assert cell_of(toy, "frozen-prototype", pools, pool="mine").spec == cell_of(toy, "frozen-prototype", pools).spec


def test_a_shipped_pool_does_not_change_its_cells(toy: Toy, pools: Path) -> None:
    plain = cell_of(toy, "lora-recycle", pools).spec
    assert cell_of(toy, "lora-recycle", pools, pool="toy").spec == plain
    assert (plain.track.pool_sha256, plain.track.pool_override, plain.track.indices_sha256) == ("", "", "")


def test_the_hash_of_the_users_pool_is_part_of_the_cell(toy: Toy, pools: Path) -> None:
    before = cell_of(toy, "lora-recycle", pools, pool="mine").spec
    card = pools / "mine" / "pool.json"
    card.write_text(card.read_text().replace('"license": "', '"license": "Changed. '))
    after = cell_of(toy, "lora-recycle", pools, pool="mine").spec
    assert before.track.pool_override == after.track.pool_override == "mine"
    assert before.cell != after.cell


def test_the_users_pool_runs_and_is_named_on_the_board(toy: Toy, pools: Path) -> None:
    own = record_of(toy, "lora-recycle", pools, pool="mine", options=OPTIONS)
    assert (own.status, own.spec.track.pool, own.spec.track.opened_pool) == ("ok", "toy", "mine")
    assert own.hashes["pool"] == own.spec.track.pool_sha256
    shipped = record_of(toy, "lora-recycle", pools, options=OPTIONS)
    assert own.accuracies == shipped.accuracies  # it holds the same LoRAs
    (board,) = boards([own, shipped])
    assert {row.label for row in board.rows} == {"lora-recycle", "lora-recycle [pool=mine]"}


def test_a_pool_in_a_folder_has_the_name_on_its_card(toy: Toy, pools: Path) -> None:
    (pools / "mine").rename(toy.folder / "elsewhere")
    card = toy.folder / "elsewhere" / "pool.json"
    card.write_text(card.read_text().replace('"name": "toy"', '"name": "theirs"'))
    actual = record_of(toy, "random-lora", pools, pool=str(toy.folder / "elsewhere"))
    assert (actual.status, actual.spec.track.pool_override) == ("ok", "theirs")


def test_a_pool_that_changes_during_a_run_is_refused(toy: Toy, pools: Path) -> None:
    request = toy.request("random-lora", pools=pools, pool="mine")
    (cell,) = plan_run(request, toy.catalogue).cells
    card = pools / "mine" / "pool.json"
    card.write_text(card.read_text().replace('"license": "', '"license": "Changed. '))
    record = CellRun(request.context(toy.catalogue), cell, request.results).run()
    assert (record.status, record.reason) == (
        "failed",
        "The pool 'mine' changed since this run began. Rerun the command.",
    )


def test_a_missing_planned_pool_stops_a_run_before_it_begins(toy: Toy, pools: Path) -> None:
    toy.offer(pool_plans=[PLAN])
    request = toy.request("random-lora", "frozen-prototype", pools=pools, pool="lab/two")
    plan = plan_run(request, toy.catalogue)
    assert [bool(cell.missing) for cell in plan.cells] == [True, False]
    with pytest.raises(MissingPoolError, match="freeshot pool build lab/two"):
        execute_plan(plan, request, toy.catalogue)
    assert not request.results.exists()


def test_all_missing_pools_are_named_at_once(toy: Toy, pools: Path) -> None:
    names = ("lab/two", "lab/three")
    toy.offer(pool_plans=[replace(PLAN, name=name) for name in names])
    cells = [cell_of(toy, "random-lora", pools, pool=name) for name in names]
    with pytest.raises(MissingPoolError) as caught:
        execute_plan(Plan(tuple(cells)), toy.request(pools=pools), toy.catalogue)
    assert [text.partition(" --device")[0] for text in str(caught.value).split("; ")] == [
        f"The pool '{name}' has not been built: {pools / name / 'pool.json'} does not exist. Build it with: "
        f"freeshot pool build {name}"
        for name in names
    ]


def test_a_record_of_the_users_pool_is_rebuilt_from_that_pool(toy: Toy, pools: Path) -> None:
    record = record_of(toy, "random-lora", pools, pool="mine")
    again = rebuild(record, toy.catalogue, toy.request(pools=pools))
    assert [difference.text for difference in again.differences if difference.weight == "cell"] == []
    card = pools / "mine" / "pool.json"
    card.write_text(card.read_text().replace('"license": "', '"license": "Changed. '))
    other = rebuild(record, toy.catalogue, toy.request(pools=pools))
    assert any("has pool_sha256" in difference.text for difference in other.differences)


def test_records_of_two_pools_of_the_same_name_are_not_on_one_board(toy: Toy, pools: Path) -> None:
    def changed(record: RunRecord, sha256: str) -> RunRecord:
        track = record.spec.track.model_copy(update={"pool_sha256": sha256})
        spec = record.spec.model_copy(update={"track": track})
        later = record.provenance.model_copy(
            update={"finished": "2999-01-01T00:00:00+00:00"}
        )  # the newer record is kept
        return record.model_copy(update={"spec": spec, "cell": spec.cell, "provenance": later})

    mine, theirs = (record_of(toy, name, pools, pool="mine") for name in ("random-lora", "lora-average"))
    (board,) = boards([mine, changed(theirs, "0" * 64)])
    assert len(board.rows) == 1
    assert "were made with another pool 'mine' than the rest, left out: random-lora." in board.problems[0]


def test_an_optional_track_runs_in_a_suite_with_manual_downloads(toy: Toy) -> None:
    from freeshot.contracts.tracks import Profile, Row, Suite
    from freeshot.testing.toy import TRACKS

    hidden: Track = replace(TRACKS[0], name="hidden/toy/2w1s", optional=True)
    profiles = {"full": Profile((Row("frozen-prototype"),))}
    suite = Suite("asked", "", ("hidden/*",), profiles)
    toy.offer(tracks=[hidden], suites=[suite, replace(suite, name="by-hand", manual_download=True)])
    assert len(plan_run(toy.request(suite="by-hand", tracks=()), toy.catalogue).cells) == 1
    with pytest.raises(Exception, match="has no track that matches"):
        plan_run(toy.request(suite="asked", tracks=()), toy.catalogue)
