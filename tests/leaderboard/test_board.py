from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.conftest import INSTALLED

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard import Extensions, boards
from freeshot.leaderboard.compare import default_differences
from freeshot.leaderboard.costs import costs
from freeshot.records.models import TaskCost
from freeshot.render.tables import cost_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]

SKETCH = "in-domain/sketch/5w1s"
SKETCH5 = "in-domain/sketch/5w5s"
FLAGS = "cross-domain/flags/5w1s"


def ranks(records: list[Any], track: str = SKETCH) -> dict[str, int | None]:
    (board,) = boards(records)
    return {row.label: row.cells[track].rank for row in board.rows if track in row.cells}


def test_indistinguishable_rows_share_a_rank_and_the_next_rank_is_skipped(record: Make) -> None:
    noisy = [record("a", mean=0.60, phase=0), record("b", mean=0.59, phase=1), record("c", mean=0.3)]
    assert ranks(noisy) == {"a": 1, "b": 1, "c": 3}


def test_a_small_difference_counts_where_the_episodes_swing_together(record: Make) -> None:
    assert ranks([record("a", mean=0.60), record("b", mean=0.59)]) == {"a": 1, "b": 2}


def test_controls_are_listed_apart_and_not_ranked(record: Make) -> None:
    (board,) = boards([record("a"), record("chance", mean=0.2, role="floor"), record("real", mean=0.8, role="ceiling")])
    assert [row.label for row in board.rows] == ["a"]
    assert board.rows[0].cells[SKETCH].rank == 1
    assert [row.label for row in board.controls] == ["real", "chance"]
    assert {row.cells[SKETCH].rank for row in board.controls} == {None}


def test_an_average_rank_needs_every_track(record: Make) -> None:
    (board,) = boards([
        record("a", mean=0.6), record("a", FLAGS, 0.4), record("b", mean=0.5), record("b", FLAGS, 0.5),
        record("c", mean=0.7),
    ])  # fmt: skip
    assert {row.label: row.average_rank for row in board.rows} == {"a": 2.0, "b": 2.0, "c": None}
    assert FLAGS not in board.rows[2].cells


def test_a_failed_cell_has_a_reason_and_no_number(record: Make) -> None:
    (board,) = boards([record("a", status="failed", reason="The loss became NaN.")])
    cell = board.rows[0].cells[SKETCH]
    assert (cell.status, cell.interval, cell.rank, cell.notes) == ("failed", None, None, ("The loss became NaN.",))


def test_limited_runs_are_left_out_and_counted(record: Make) -> None:
    (board,) = boards([record("a"), record("b", limit=4)])
    assert [row.label for row in board.rows] == ["a"]
    assert (board.records, board.limited) == (1, 1)


def test_each_version_and_suite_has_its_own_board_and_the_newest_version_leads(record: Make) -> None:
    actual = boards([record("a"), record("a", version=2), record("a", suite="full")])
    assert [(b.suite, b.version) for b in actual] == [("full", 1), ("pocket", 2), ("pocket", 1)]


def test_other_episodes_are_a_problem_and_the_minority_is_left_out(record: Make) -> None:
    (board,) = boards([record("a"), record("b"), record("c", episodes_sha256="bb")])
    assert [row.label for row in board.rows] == ["a", "b"]
    assert board.problems == (
        (
            f"1 of 3 records of '{SKETCH}' version 1 have other episodes than the rest, left out: c. "
            "Run those cells again, or raise the track's version."
        ),
    )


def test_two_networks_under_one_name_are_never_averaged_or_compared(record: Make) -> None:
    def on(weights: str, method: str, seed: int = 0) -> RunRecord:
        return record(method, seed=seed).model_copy(update={"hashes": {"backbone": weights}})

    (board,) = boards([on("aa", "a"), on("bb", "a", seed=1), on("aa", "b")])
    assert {row.label: row.cells[SKETCH].seeds for row in board.rows} == {"a": 1, "b": 1}
    assert board.problems == (
        (
            f"1 of 3 records of '{SKETCH}' were made with other weights of 'vit-toy' than the rest, left out: a. "
            "Run those cells again with the same weights (--rerun)."
        ),
    )


def test_seeds_are_averaged_episode_by_episode(record: Make) -> None:
    (board,) = boards([record(mean=0.4, seed=0), record(mean=0.6, seed=1), record(seed=2, status="failed")])
    cell = board.rows[0].cells[SKETCH]
    assert cell.interval is not None
    assert cell.interval.mean == pytest.approx(0.5)
    assert cell.seeds == 2
    assert cell.notes == (
        "Mean over 2 seeds; the interval is that of episodes averaged over seeds.",
        "Seed 2 is failed and left out: It is failed.",
    )


def test_a_cell_with_several_seeds_has_the_interval_over_them_as_well(record: Make) -> None:
    (board,) = boards([record(mean=0.4, seed=0), record(mean=0.6, seed=1), record("b")])
    cells = {row.label: row.cells[SKETCH] for row in board.rows}
    wider = cells["alpha"].over_seeds
    assert wider is not None
    assert wider.mean == pytest.approx(0.5)
    assert wider.covers == "episodes and training seeds"
    assert cells["alpha"].interval is not None
    assert wider.half_width > cells["alpha"].interval.half_width
    assert cells["b"].over_seeds is None


def test_cells_can_have_the_bootstraps_interval(record: Make) -> None:
    records = [record("a", mean=0.7), record("b", mean=0.6, phase=1), record("c", status="failed")]
    students, boots = (boards(records, interval=kind)[0] for kind in ("t", "bca"))
    assert (students.interval, boots.interval) == ("t", "bca")
    for row, same in zip(students.rows[:2], boots.rows, strict=False):
        ours, theirs = row.cells[SKETCH].interval, same.cells[SKETCH].interval
        assert ours is not None
        assert theirs is not None
        assert (theirs.mean, theirs.covers) == (ours.mean, ours.covers)
        assert 0.5 * ours.half_width < theirs.half_width < ours.half_width  # 20 episodes: t has the longer reach
        assert row.cells[SKETCH].rank == same.cells[SKETCH].rank


def test_of_one_row_track_and_seed_the_newest_record_counts(record: Make) -> None:
    old = record(mean=0.4, origin="freeshot 0.1", finished="2026-01-01T23:00:00Z")
    new = record(mean=0.6, origin="freeshot 0.2", finished="2026-01-02T00:30:00+01:00")
    (board,) = boards([new, old])
    assert board.rows[0].records == (new,)


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ([{"learner": "proto"}, {"learner": "reptile"}], ["m [learner=proto]", "m [learner=reptile]"]),
        (
            [{"learner": "proto"}, {"learner": "reptile", "learner_options": {"pace": 0.1}}],
            ["m [learner=proto]", "m [learner=reptile]"],
        ),
        (
            [{"learner": "r", "learner_options": {"pace": p, "lr": 1}} for p in (0.1, 0.2)],
            ["m [learner.pace=0.1]", "m [learner.pace=0.2]"],
        ),
        ([{"options": {"k": 1, "j": 0}}, {"options": {"k": 2, "j": 0}}], ["m [k=1]", "m [k=2]"]),
        ([{"backbone": "vit-a"}, {"backbone": "vit-b"}], ["m [backbone=vit-a]", "m [backbone=vit-b]"]),
        ([{"origin": "x 1"}, {"origin": "y 1"}], ["m [from=x]", "m [from=y]"]),
        ([{"seed": 0}, {"seed": 1}], ["m"]),
    ],
)
def test_a_label_states_what_differs(record: Make, different: list[dict[str, Any]], expected: list[str]) -> None:
    (board,) = boards([record("m", **d) for d in different])
    assert sorted(row.label for row in board.rows) == expected


def test_labels_that_read_the_same_get_distinct_suffixes(record: Make) -> None:
    (board,) = boards([record("m", options={"k": 1}), record("m", options={"k": "1"})])
    first, second = sorted(row.label for row in board.rows)
    assert first.startswith("m [k=1] #")
    assert first != second


def test_tracks_with_different_backbones_still_make_one_row(record: Make) -> None:
    (board,) = boards([record("m", backbone="vit-a"), record("m", FLAGS, backbone="vit-b")])
    assert [row.label for row in board.rows] == ["m"]


def test_in_domain_comes_first_and_shots_are_side_by_side(record: Make) -> None:
    (board,) = boards([record(track=FLAGS), record(track=SKETCH5), record(track=SKETCH)])
    assert {name: [t.title for t in tracks] for name, tracks in board.sections.items()} == {
        "in-domain": [("sketch", "5-way 1-shot"), ("sketch", "5-way 5-shot")],
        "cross-domain": [("flags", "5-way 1-shot")],
    }


def test_the_default_pair_compares_every_row_of_a_method_episode_by_episode(record: Make) -> None:
    records = [
        record("lora-recycle", mean=0.6, learner="proto"), record("lora-recycle", mean=0.7, learner="reptile"),
        record("frozen-prototype", mean=0.5, role="floor"),
    ]  # fmt: skip
    (board,) = boards(records, INSTALLED)
    actual = default_differences(board)
    assert [(pair.first, round(pair.by_track[SKETCH].mean, 9)) for pair in actual] == [
        ("lora-recycle [learner=reptile]", 0.2),
        ("lora-recycle [learner=proto]", 0.1),
    ]
    assert default_differences(replace(board, pair=("lora-recycle", "unknown"))) == ()


def test_without_the_suites_plugin_there_is_no_default_pair(record: Make) -> None:
    (board,) = boards([record("lora-recycle"), record("frozen-prototype")])
    assert (board.pair, board.reference, default_differences(board)) == (None, "", ())


def test_costs_count_cached_stages_in_full_and_never_mix_devices(record: Make) -> None:
    (board,) = boards([record(), record(track=SKETCH5), record(track=FLAGS, device="NVIDIA H200")])
    cpu, gpu = costs(board)
    assert (gpu.device, gpu.records) == ("NVIDIA H200", 1)
    assert (cpu.device, cpu.records) == ("AMD EPYC", 2)
    assert (cpu.prepare_seconds, cpu.evaluate_seconds, cpu.peak_mib) == (42.5, 1.25, 300)


def test_stages_that_records_share_are_counted_once(record: Make) -> None:
    first, second, third = (record(track=track) for track in (SKETCH, SKETCH5, FLAGS))
    slower = [s.model_copy(update={"seconds": 2 * s.seconds}) for s in third.stages]
    (board,) = boards([first, second, third.model_copy(update={"stages": slower})])
    (cost,) = costs(board)
    assert cost.all_seconds == 42.5 + 1.25 + 1.25 + 2 * (42.5 + 1.25)


def test_seconds_of_one_thread_and_of_sixteen_are_not_averaged(record: Make) -> None:
    (board,) = boards([record(threads=1), record(track=SKETCH5, threads=1), record(track=FLAGS, threads=16)])
    few, many = costs(board)
    assert (few.device, few.records) == ("AMD EPYC, 1 thread", 2)
    assert (many.device, many.records) == ("AMD EPYC, 16 threads", 1)


def test_a_failed_rerun_does_not_change_the_tags_of_a_row(record: Make) -> None:
    (board,) = boards([
        record(tuning_free=False),
        record(track=SKETCH5, status="failed", finished="2026-02-01T00:00:00+00:00"),
    ])  # fmt: skip
    assert not board.rows[0].tags.tuning_free


def counted(record: RunRecord, task: int | None = 10**9, **stage: Any) -> RunRecord:
    """Add counted operations to all stages: 5 GFLOP each; `stage` replaces fields of the first."""
    first, *rest = (s.model_copy(update={"flops": 5 * 10**9}) for s in record.stages)
    cost = None if task is None else TaskCost(flops=task, tuned_weights=645)
    return record.model_copy(update={"stages": [first.model_copy(update=stage), *rest], "task_cost": cost})


def test_counted_operations_are_shown_beside_seconds(record: Make) -> None:
    counts: dict[str, Any] = {"facts": {"queries": 300}, "learned_weights": 1024}
    (board,) = boards([counted(record(), **counts), counted(record(track=SKETCH5), 3 * 10**9, **counts)])
    (cost,) = costs(board)
    assert (cost.prepare_flops, cost.task_flops) == (10**10, 2 * 10**9)
    assert (cost.learned, cost.tuned, cost.queries) == (1024, 645, 300)
    drawn = cost_table((cost,))
    words = dict(zip(drawn.titles, (word.text for word in drawn.lines[0]), strict=True))
    assert words["Prepare\n(TFLOP)"] == "0.01"
    assert words["One task\n(GFLOP)"] == "2"
    assert [words[f"Weights\n{what}"] for what in ("learned", "tuned")] == ["1024", "645"]
    assert words["Queries\nto LoRAs"] == "300"


@pytest.mark.parametrize("lacking", [{"task": None}, {"flops": None}])
def test_a_count_that_one_record_lacks_is_missing_from_the_row(record: Make, lacking: dict[str, Any]) -> None:
    (board,) = boards([counted(record()), counted(record(track=SKETCH5), **lacking)])
    (cost,) = costs(board)
    assert cost.prepare_flops is None
    assert cost.queries is None
    (plain,) = costs(boards([record()])[0])
    assert "Prepare\n(TFLOP)" not in cost_table((plain,)).titles


def test_a_column_has_the_first_value_and_a_failing_column_is_reported(record: Make) -> None:
    def broken(_: RunRecord) -> float:
        raise KeyError("energy")

    shown = Column("Shots", lambda r: r.spec.track.shot if r.spec.track.shot > 1 else None)
    (board,) = boards([record(), record(track=SKETCH5)], Extensions((shown, Column("Energy", broken))))
    assert board.rows[0].extras == (5, None)
    assert board.problems == ("The column 'Energy' could not be read: KeyError: 'energy'",)


@pytest.mark.parametrize(
    ("theirs", "ours", "label"),
    [
        ("freeshot 0.1", "freeshot 0.1", "m"),
        ("stranger 1.0", "freeshot 0.1", "m [learner=mine]"),
        ("stranger 1.0", "stranger 1.1", "m"),
        ("freeshot 0.1", "stranger 1.0", "m"),
        ("mine.py 3f2a", "stranger 1.0", "m [learner=mine]"),
    ],
)
def test_a_component_of_another_plugin_is_named_even_in_a_single_row(
    record: Make, theirs: str, ours: str, label: str
) -> None:
    (board,) = boards([record("m", learner="mine", learner_origin=theirs, origin=ours)])
    assert [row.label for row in board.rows] == [label]


def test_rows_that_seeds_cannot_distinguish_share_a_rank(record: Make) -> None:
    means = {("a", 0): 0.60, ("a", 1): 0.50, ("b", 0): 0.52, ("b", 1): 0.56}  # either is ahead once
    records = [record(method, mean=mean, seed=seed) for (method, seed), mean in means.items()]
    (board,) = boards(records)
    assert {row.label: row.cells[board.tracks[0].name].rank for row in board.rows} == {"a": 1, "b": 1}
    alone = [r for r in records if r.spec.seed == 0]
    (board,) = boards(alone)
    assert {row.label: row.cells[board.tracks[0].name].rank for row in board.rows} == {"a": 1, "b": 2}
