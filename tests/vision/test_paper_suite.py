"""The paper's suite: tracks, pools and rows are consistent, and all of it runs, at a tiny size, end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.vision.publishers import PUBLISHERS

from freeshot.basics.errors import OptionError
from freeshot.contracts.pool import LoraPool
from freeshot.launch.plan import Plan, plan_run
from freeshot.launch.request import RunRequest
from freeshot.launch.runner import execute_plan
from freeshot.pipeline.resolve import PlannedCell
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool.build import PoolRequest, build_pool
from freeshot.records.models import RunRecord
from freeshot.records.store import record_path
from freeshot.workflows.estimate_cost import estimate_cost
from freeshot_lora_recycle.published import published
from freeshot_vision.backbones.providers import ClipVitB16
from freeshot_vision.paper import pools as paper_pools
from freeshot_vision.paper import tracks
from freeshot_vision.paper.pools import CIFAR, IN_DOMAIN, PLANS, SMALL_PLANS, SMALL_SOURCES, built_pools
from freeshot_vision.paper.small_profiles import CIFAR_POOL
from freeshot_vision.paper.suites import SUITES
from freeshot_vision.paper.tracks import (
    CROSS_DOMAIN,
    FIRST_100,
    LOCK,
    POOL_VARIANTS,
    SMALL_CROSS_DOMAIN,
    SMALL_TRACKS,
    TRACKS,
    VALIDATION,
)
from makers import paper_lock

if TYPE_CHECKING:
    from tests.cli.conftest import Call

TINY = "timm:model=vit_tiny_patch16_224,weights=random,side=32,depth=2,width=24,heads=2"
QUICK = ("inversion.prior=none", "inversion.iterations=1", "learner.iterations=2", "per_class=3", "batch=0")
EACH = 20
"""Images of each class: as many as a task of 5 shots and 15 queries takes."""
PAPER = [track for track in TRACKS if not track.name.startswith("further/")]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(load_plugins())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with every data set of the paper in its publisher's layout."""
    root = tmp_path_factory.mktemp("data")
    for name in (*IN_DOMAIN, *CROSS_DOMAIN, *SMALL_SOURCES[1:], *SMALL_CROSS_DOMAIN):
        (root / name).mkdir()
        PUBLISHERS[name](root / name, EACH)
    return root


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory, data: Path, catalogue: Catalogue) -> Path:
    """Return a folder in which all five pools were built, of few LoRAs and on a tiny network."""
    folder = tmp_path_factory.mktemp("pools")
    for plan in (*PLANS, *SMALL_PLANS):
        size = {
            "count": len(plan.sources) + 1,
            "backbone": TINY,
            "steps": 2,
            "batch": 2,
        }  # the first step only moves the head
        requested = PoolRequest(**{**vars(plan), **size, "out": folder / plan.name, "data": data})
        build_pool(requested, catalogue, catalogue.host)
    return folder


@pytest.fixture
def unfrozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tracks on made-up images, fewer than the frozen lists state, and on pools that the tests build."""
    monkeypatch.setattr(paper_pools, "POOL_FILES", Path("no-pool-files"))
    for name in ("TRACKS", "SMALL_TRACKS", "VALIDATION"):
        thawed = tuple(replace(track, indices_sha256="") for track in getattr(tracks, name))
        monkeypatch.setattr(tracks, name, thawed)


def planned(catalogue: Catalogue, tmp_path: Path, **changes: Any) -> tuple[Plan, RunRequest]:
    folders = {"results": tmp_path / "results", "cache": tmp_path / "cache", "pools": tmp_path / "pools"}
    request = RunRequest(**{"suite": "paper", **folders, **changes})
    return plan_run(request, catalogue), request


# --- tracks, pools and rows ---------------------------------------------------------------------


def test_the_tracks_are_those_with_published_numbers() -> None:
    assert {number.track for number in published()} == {track.name for track in PAPER}
    assert len(published()) == 14 * len(PAPER)


def test_every_track_has_a_planned_pool_on_its_network_and_sources() -> None:
    plans = {plan.name: plan for plan in PLANS}
    for track in TRACKS:
        plan = plans[track.pool]
        assert (plan.count, plan.sources, plan.backbone) == (100, track.sources, track.backbone)
        assert (track.way, track.query, track.episodes) == (5, 15, 600)


def test_every_small_track_has_a_small_pool_on_its_network_and_sources() -> None:
    plans = {plan.name: plan for plan in SMALL_PLANS}
    reduced = set(SMALL_TRACKS) - set(FIRST_100)
    assert {track.pool for track in reduced} == set(plans) - {CIFAR_POOL}
    for track in reduced:
        plan = plans[track.pool]
        assert (plan.sources, plan.backbone) == (track.sources, track.backbone)
        assert plan.count >= 40
        assert track.indices_sha256
        assert track.optional


def test_a_list_of_100_images_a_class_has_the_network_and_the_pool_of_its_large_track() -> None:
    large = next(track for track in TRACKS if track.dataset == "cifar-fs")
    for track in (*FIRST_100, *VALIDATION):
        assert (track.pool, track.backbone, track.sources) == (large.pool, large.backbone, large.sources)
        assert track.indices_sha256
        assert track.optional


def test_settings_can_be_chosen_on_validation_classes_with_the_small_pool(catalogue: Catalogue, tmp_path: Path) -> None:
    plan, _ = planned(catalogue, tmp_path, suite="paper-validation")
    assert {cell.track.name for cell in plan.cells} == {track.name for track in VALIDATION}
    assert {track.split for track in VALIDATION} == {"validation"}
    without_pool = ("frozen-prototype", "real-data")
    assert {cell.track.pool for cell in plan.cells if cell.spec.method.name not in without_pool} == {CIFAR_POOL}
    key, _ = planned(catalogue, tmp_path, profile="cpu", tracks=("in-domain/cifar-fs/*",))
    assert [cell.spec.method for cell in plan.cells[::2]] == [cell.spec.method for cell in key.cells[::2]]


def test_variants_of_the_pool_are_tested_on_the_episodes_of_the_whole_pool(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    plan, _ = planned(catalogue, tmp_path, suite="paper-pools")
    whole, _ = planned(catalogue, tmp_path, profile="cpu", tracks=(FIRST_100[0].name,))
    assert {cell.spec.track.indices_sha256 for cell in plan.cells} == {FIRST_100[0].indices_sha256}
    assert not plan.missing
    pools = {cell.track.name.split("/")[1]: cell.track.pool for cell in plan.cells}
    assert pools == {variant: f"{CIFAR_POOL}+{variant}" for variant in POOL_VARIANTS}
    of_whole = [cell.spec.method for cell in whole.cells]
    assert all(cell.spec.method in of_whole for cell in plan.cells), "each row has its counterpart with the whole pool"
    assert {cell.spec.backbone.name for cell in plan.cells} == {cell.spec.backbone.name for cell in whole.cells}


def test_small_tracks_share_neither_name_nor_network_with_the_papers() -> None:
    assert not {track.name for track in SMALL_TRACKS} & {track.name for track in TRACKS}
    assert not {track.backbone for track in set(SMALL_TRACKS) - set(FIRST_100)} & {track.backbone for track in TRACKS}
    assert not {track.name for track in SMALL_TRACKS} & {number.track for number in published()}


def is_varied(cell: PlannedCell) -> bool:
    """Return whether a row of LoRA Recycle differs in more than prior and mask."""
    strategy, learner = cell.spec.components["strategy"].options, cell.spec.components["learner"].name
    return bool(
        cell.spec.method.options["lora_share"] != 0.2 or strategy.get("at", [-1]) != [-1] or learner != "prototype"
    )


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_a_small_profile_runs_its_key_rows_on_the_papers_episodes(
    profile: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    plan, _ = planned(catalogue, tmp_path, profile=profile)
    cells = [cell for cell in plan.cells if cell.track.name.startswith("in-domain/cifar-fs/")]
    papers = {track.name: track for track in TRACKS}
    assert {cell.spec.track.name for cell in cells} == {"in-domain/cifar-fs/5w1s", "in-domain/cifar-fs/5w5s"}
    for cell in cells:
        assert cell.spec.track.indices_sha256 == papers[cell.track.name].indices_sha256
        assert cell.spec.limit is None
        assert (cell.spec.backbone.name, cell.spec.backbone.options["normalize"]) == ("clip-vit-b16-q8", "cifar")
    assert {cell.track.pool for cell in cells if cell.needs_pool} == {"paper/cifar-fs-q8"}
    assert {cell.spec.method.name for cell in cells} == {
        *("frozen-prototype", "random-lora", "lora-average", "pool-lda", "lora-recycle", "recycled-average", "free"),
        *("noise", "shuffled-labels", "real-data"),
    }
    recycled = [cell for cell in cells if cell.spec.method.name == "lora-recycle" and cell.track.shot == 1]
    recycled = [cell for cell in recycled if not is_varied(cell)]
    assert sorted((cell.data_free, cell.spec.components["strategy"].options.get("ratio", 0)) for cell in recycled) == [
        *(("public prior", ratio) for ratio in (0, 0.75)),
        *(("strict", ratio) for ratio in (0, 0.25, 0.5, 0.75)),
    ]


def test_the_cpu_profile_has_every_method_and_tunes_on_few_images(catalogue: Catalogue, tmp_path: Path) -> None:
    plan, _ = planned(catalogue, tmp_path, profile="cpu")
    small = {cell.spec.method.name for cell in plan.cells if cell.track.name.startswith("in-domain/cifar-fs-100/")}
    assert small == set(catalogue.names("method"))
    assert {track.episodes for track in SMALL_TRACKS if "cifar-fs-100" in track.name} == {100}


def test_a_row_is_not_run_on_tracks_that_its_profile_excludes(catalogue: Catalogue, tmp_path: Path) -> None:
    requested = {"profile": "cpu", "tracks": ("in-domain/cifar-fs/5w1s",)}
    with pytest.raises(OptionError, match=r"its row of 'mole' only on in-domain/cifar-fs-100/5w1s, .*\. Choose such a"):
        planned(catalogue, tmp_path, **requested, methods=("mole",))
    plan, _ = planned(catalogue, tmp_path, **requested, methods=("mole", "noise"))
    assert [cell.spec.method.name for cell in plan.cells] == ["noise"]


def test_in_domain_tracks_use_the_data_set_of_their_pool() -> None:
    for track in PAPER:
        correct = (
            track.sources == (track.dataset,) if track.name.startswith("in-domain/") else track.sources == IN_DOMAIN
        )
        assert correct, track.name


def test_only_cifar_has_its_own_normalisation() -> None:
    assert {track.dataset for track in TRACKS if track.backbone == CIFAR} == {"cifar-fs"}


def test_the_frozen_lists_follow_from_the_publishers_counts() -> None:
    assert paper_lock.lock() == json.loads(LOCK.read_text())


def test_every_row_of_every_profile_is_accepted(catalogue: Catalogue, tmp_path: Path) -> None:
    for name, profile in SUITES[0].profiles.items():
        plan, _ = planned(catalogue, tmp_path, profile=name)
        chosen = catalogue.match_tracks(profile.tracks)
        assert len(plan.cells) == sum(
            track in catalogue.match_tracks(row.tracks or profile.tracks) for row in profile.rows for track in chosen
        )
        assert {cell.state for cell in plan.cells} == {"todo"}
        pools = {profile.pool or track.pool for track in chosen}
        assert len(plan.missing) == len(pools - {name for name, _ in built_pools()})


def test_the_full_profile_holds_every_method(catalogue: Catalogue) -> None:
    assert {row.method for row in SUITES[0].profiles["full"].rows} == set(catalogue.names("method"))


def test_the_pocket_suite_keeps_its_pool(catalogue: Catalogue, tmp_path: Path) -> None:
    plan, _ = planned(catalogue, tmp_path, suite="pocket", profile="quick")
    assert {cell.spec.track.pool for cell in plan.cells} == {"pocket"}


def test_a_pattern_without_a_suite_selects_no_optional_track(catalogue: Catalogue, tmp_path: Path) -> None:
    plan, _ = planned(catalogue, tmp_path, suite=None, tracks=("in-domain/*",), methods=("frozen-prototype",))
    assert {cell.spec.track.dataset for cell in plan.cells} == {"sketch", "icons"}


# --- before the work ----------------------------------------------------------------------------


def test_a_plan_needs_neither_images_nor_pools(catalogue: Catalogue, tmp_path: Path) -> None:
    requested = {"profile": "tuning-free", "tracks": ("in-domain/cub/5w1s",), "backbone": TINY}
    plan, request = planned(catalogue, tmp_path, **requested, data=tmp_path)
    assert estimate_cost(plan, request, catalogue).unknown == len(plan.cells)


def test_for_a_missing_pool_the_error_names_the_command(call: Call, tmp_path: Path) -> None:
    requested = ("--track", "in-domain/cub/5w1s", "--method", "lora-average", "--pools", str(tmp_path))
    done = call("run", "paper", *requested, plugins="vision,lora-recycle,baselines,launchers")
    assert done.exit_code == 2
    assert done.stderr == (
        f"Error: The pool 'paper/cub' has not been built: {tmp_path}/paper/cub/pool.json does not exist. Build it "
        f"with: freeshot pool build paper/cub --device auto --out {tmp_path}/paper/cub\n"
    )


def test_a_row_that_needs_no_pool_runs_without_one(catalogue: Catalogue, tmp_path: Path) -> None:
    plan, _ = planned(catalogue, tmp_path, methods=("frozen-prototype", "linear-probe"))
    assert not plan.missing


# --- end to end, at a tiny size -----------------------------------------------------------------


def test_a_mixed_pool_has_loras_of_all_four_data_sets(pools: Path) -> None:
    from freeshot.pool.store import open_pool

    pool: LoraPool = open_pool(pools / "paper/mixed")
    assert [entry.facts["dataset"] for entry in pool.entries] == [*IN_DOMAIN, IN_DOMAIN[0]]
    assert all(name.startswith(f"{e.facts['dataset']}/") for e in pool.entries for name in e.classes)


@pytest.mark.usefixtures("unfrozen")
@pytest.mark.parametrize("track", [track.name for track in (*PAPER, *SMALL_TRACKS, *VALIDATION)])
def test_every_track_runs_from_published_files_to_a_record(
    track: str, catalogue: Catalogue, data: Path, pools: Path, tmp_path: Path
) -> None:
    fresh = Catalogue(catalogue.host)  # collects the tracks again
    requested = {"tracks": (track,), "methods": ("frozen-prototype", "lora-recycle"), "options": QUICK, "limit": 2}
    if track.endswith("5s"):
        requested["options"] = (*QUICK[:-2], "per_class=7", "batch=0")
    if track.startswith("validation/"):
        requested["suite"] = "paper-validation"
    plan, request = planned(fresh, tmp_path, **requested, data=data, pools=pools, backbone=TINY)
    outcome = execute_plan(plan, request, fresh)
    records = [RunRecord.read(record_path(request.results, cell.spec)) for cell in plan.cells]
    assert (outcome.finished, [record.reason for record in records]) == (2, ["", ""])
    frozen, recycled = records
    assert recycled.spec.track.pool_sha256 == recycled.hashes["pool"]
    assert not frozen.spec.track.pool_sha256
    assert frozen.hashes["episodes"] == recycled.hashes["episodes"]
    assert (data / ".freeshot" / "episodes" / track).is_dir()


@pytest.mark.usefixtures("unfrozen")
@pytest.mark.parametrize("profile", ["cpu", "gpu"])
@pytest.mark.parametrize(
    ("methods", "short"),
    [
        (("frozen-prototype", "random-lora", "lora-average", "noise", "real-data"), ()),
        (("lora-recycle", "shuffled-labels"), ("inversion.prior=none", "inversion.iterations=1")),
        (("free",), ("inversion.outer=1",)),
    ],
)
def test_every_key_row_of_a_small_profile_has_enough_images_for_five_shots(
    profile: str,
    methods: tuple[str, ...],
    short: tuple[str, ...],
    catalogue: Catalogue,
    data: Path,
    pools: Path,
    tmp_path: Path,
) -> None:
    fresh = Catalogue(catalogue.host)
    options = ("learner.iterations=2", *short)
    requested = {"profile": profile, "tracks": ("in-domain/cifar-fs/5w5s",), "methods": methods, "options": options}
    plan, request = planned(fresh, tmp_path, **requested, limit=1, data=data, pools=pools, backbone=TINY)
    outcome = execute_plan(plan, request, fresh)
    records = [RunRecord.read(record_path(request.results, cell.spec)) for cell in plan.cells]
    assert [record.reason for record in records] == [""] * len(plan.cells)
    assert outcome.finished == len({cell.id for cell in plan.cells})


@pytest.mark.usefixtures("unfrozen")
def test_the_actual_network_runs_from_files_to_a_leaderboard(
    call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    # at 64 px, because an image of 224 px takes half a second
    whole = ("--backbone", "clip-vit-b16:normalize=cifar,side=64", "--data", str(data))
    state = ClipVitB16(weights="random", side=64).build().state_dict()
    save_file(
        {name: tensor for name, tensor in state.items() if name != "shown_as"}, tmp_path / "clip-vit-b16.safetensors"
    )
    monkeypatch.setenv("FREESHOT_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    small = (replace(track, query=2, episodes=2) for track in tracks.TRACKS)
    monkeypatch.setattr(tracks, "TRACKS", tuple(small))
    plugins = "vision,lora-recycle,baselines,launchers"
    built = call(
        *("pool", "build", "paper/cifar-fs", "--count", "1", "--steps", "2", "--batch", "2", *whole), plugins=plugins
    )
    assert "Saved the pool 'paper/cifar-fs' (1 LoRA) in pools/paper/cifar-fs." in built.stdout, built.output
    options = [text for option in QUICK for text in ("-o", option)]
    done = call(
        *("run", "paper", "--track", "in-domain/cifar-fs/5w1s", "--method", "frozen-prototype"),
        *("--method", "lora-recycle", *options, *whole),
        plugins=plugins,
    )
    assert "2 cells ran: 2 finished." in done.stdout, done.output
    board = call("leaderboard", "--all", plugins=plugins)
    assert "lora-recycle" in board.stdout
    assert "LoRA Recycle-75" in board.stdout  # the numbers of the paper are listed separately
