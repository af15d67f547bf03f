"""Every paragraph of the protocol has tests that check it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKED_BY = {
    "Episodes": (
        "tests/evaluation/test_episodes.py::test_only_fields_of_the_task_change_the_list",
        "tests/evaluation/test_episodes.py::test_images_that_changed_under_a_frozen_list_are_an_error",
        "tests/evaluation/test_episode_lock.py::test_a_list_is_frozen_by_the_number_of_images_of_each_class_alone",
        "tests/evaluation/test_episode_lock.py::test_images_that_changed_since_the_first_run_are_an_error",
        "tests/leaderboard/test_board.py::test_other_episodes_are_a_problem_and_the_minority_is_left_out",
        "tests/docs/test_protocol.py::test_the_tracks_of_the_pocket_and_paper_suites_have_600_episodes",
    ),
    "The interval": (
        "tests/stats/test_intervals.py::test_the_interval_equals_scipys",
        "tests/leaderboard/test_board.py::test_indistinguishable_rows_share_a_rank_and_the_next_rank_is_skipped",
        "tests/leaderboard/test_board.py::test_a_cell_with_several_seeds_has_the_interval_over_them_as_well",
        "tests/leaderboard/test_board.py::test_cells_can_have_the_bootstraps_interval",
        "tests/docs/test_protocol.py::test_the_bootstrap_resamples_9999_times",
    ),
    "Across tracks": (
        "tests/leaderboard/test_across_tracks.py::test_ranks_are_averaged_and_the_best_row_leads",
        "tests/leaderboard/test_across_tracks.py::test_friedman_is_scipys_over_all_rows",
        "tests/leaderboard/test_across_tracks.py::test_holm_is_that_of_statsmodels",
        "tests/leaderboard/test_across_tracks.py::test_wins_are_shares_of_tracks_with_ties_half",
        "tests/leaderboard/test_across_tracks.py::test_few_tracks_and_single_seeds_are_cautioned",
    ),
    "Data-free": (
        "tests/pipeline/test_cell.py::test_the_tags_of_a_row_follow_from_its_method",
        "tests/pipeline/test_cell.py::test_a_public_prior_is_tagged_even_where_it_fails",
    ),
    "Tuning-free": (
        "tests/evaluation/test_scoring.py::test_every_used_image_is_embedded_exactly_once",
        "tests/evaluation/test_scoring.py::test_a_head_that_fits_is_not_tuning_free",
        "tests/pipeline/test_cheats.py::test_a_cheat_is_violated_and_its_record_gives_the_reason",
    ),
    "Transductive": (
        "tests/pipeline/test_cheats.py::test_declared_transduction_is_a_tag_and_not_a_violation",
        "tests/pipeline/test_cheats.py::test_a_transductive_learner_must_not_store_episodes",
    ),
    "The firewall": (
        "tests/pipeline/test_firewall.py::test_undeclared_access_is_refused_and_on_record",
        "tests/pipeline/test_cheats.py::test_a_cheat_is_violated_and_its_record_gives_the_reason",
        "tests/pipeline/test_cheats.py::test_a_record_names_every_attempt",
        "tests/evaluation/test_query_order.py::test_the_order_does_not_depend_on_the_classes",
        "tests/pipeline/test_workbench.py::test_preparing_opens_no_test_image",
    ),
    "The audit": (
        "tests/pipeline/test_cheats.py::test_an_honest_record_holds_its_audit",
        "tests/evaluation/test_audit.py::test_the_cause_of_a_change_is_named",
    ),
    "Test evaluations": (
        "tests/pipeline/test_cell.py::test_an_evaluation_counts_once_scoring_begins_even_if_it_fails",
        "tests/pipeline/test_cell.py::test_an_interrupted_and_continued_evaluation_counts_once",
        "tests/pipeline/test_cell.py::test_other_settings_are_another_cell_with_its_own_count",
        "tests/pipeline/test_cell.py::test_every_results_folder_counts_its_own_evaluations",
    ),
    "Seeds": (
        "tests/basics/test_seeds.py::test_opening_another_stream_does_not_change_existing_ones",
        "tests/pipeline/test_cell.py::test_the_same_seed_gives_the_same_accuracies_in_a_fresh_cache",
        "tests/testing/test_contract.py",
    ),
}
"""Paragraph → the tests that check its claims."""


def test_every_paragraph_is_checked_by_tests() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\*\*([^*]+)\.\*\*", page, re.MULTILINE)) == set(CHECKED_BY)


@pytest.mark.parametrize("test", sorted({test for tests in CHECKED_BY.values() for test in tests}))
def test_the_named_tests_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8") if name else (ROOT / file).exists()


def test_the_tracks_of_the_pocket_and_paper_suites_have_600_episodes() -> None:
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import load_plugins

    tracks = Catalogue(load_plugins()).tracks()
    shipped = [t for name, t in tracks.items() if name.startswith(("in-domain/", "cross-domain/"))]
    assert {track.episodes for track in shipped if "-100/" not in track.name} == {600}
    assert {track.episodes for track in shipped if "-100/" in track.name} == {100}


def test_the_bootstrap_resamples_9999_times() -> None:
    from freeshot.stats import bootstrap as resampling

    assert 9999 in vars(resampling).values()
