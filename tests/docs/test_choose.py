"""The sentences of 'Which method should I use?' agree with the committed records."""

from __future__ import annotations

from tests.docs.tables import pocket, sources

from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import verdict_intervals
from freeshot.stats.paired_tests import verdict
from makers.component_page import verdicts

ROWS = {row.method: row for row in pocket().all_rows}
TRACKS = {shot: [track.name for track in pocket().tracks if track.shot == shot] for shot in (1, 5)}


def most_accurate(track: str) -> str:
    return max(pocket().rows, key=lambda row: float(row.averages[track].mean())).method


def minutes(row: Entry) -> float:
    (cost,) = (cost for cost in sources().costs if cost.label == row.label)
    return cost.prepare_seconds / 60


def test_the_average_is_better_than_no_lora_on_almost_every_track() -> None:
    _, wins = verdicts(ROWS["lora-average"], ROWS["frozen-prototype"])
    assert wins["better"] >= 11
    assert wins["worse"] == 0
    assert minutes(ROWS["lora-average"]) < 1 / 60


def test_pool_lda_is_better_than_all_others_without_tuning_on_nine_tracks_and_with_five_shots() -> None:
    for row in pocket().rows:
        if row.tags.tuning_free and row.tags.data_free == "strict" and row.method != "pool-lda":
            _, wins = verdicts(ROWS["pool-lda"], row)
            assert wins["better"] >= 9, row.method
            for track in TRACKS[5]:
                (interval,) = verdict_intervals((ROWS["pool-lda"], row), track, [(0, 1)])
                assert verdict(interval) == "better", (row.method, track)


def test_free_leads_the_rows_that_synthesise_images_and_is_half_undecided_against_the_average() -> None:
    strict = [row for row in pocket().rows if row.tags.tuning_free and row.tags.data_free == "strict"]
    _, wins = verdicts(ROWS["free"], ROWS["lora-average"])
    assert [row.method for row in strict[:2]] == ["pool-lda", "free"]
    assert wins["undecided"] * 2 == wins.total()
    assert 15 < minutes(ROWS["free"]) < 25


def test_the_methods_called_close_or_equal_to_the_average_are() -> None:
    for name in ("dare", "dro", "teapot", "composition"):
        difference, wins = verdicts(ROWS[name], ROWS["lora-average"])
        assert abs(difference) < 0.003, name
        assert wins["better"] + wins["worse"] <= 4, name
    assert verdicts(ROWS["lora-recycle"], ROWS["lora-average"])[0] < 0
    assert verdicts(ROWS["composition"], ROWS["lora-average"])[1]["equal"] > 6


def test_tuning_pays_with_five_pictures_of_a_new_domain_and_not_in_domain() -> None:
    assert {most_accurate(track) for track in TRACKS[5] if track.startswith("cross")} == {"full-finetuning"}
    for track in (track for track in TRACKS[1] if track.startswith("in-domain")):
        assert ROWS["lora-average"].averages[track].mean() > ROWS["full-finetuning"].averages[track].mean()
    for track in (track.name for track in pocket().tracks if track.name.startswith("in-domain")):
        (interval,) = verdict_intervals((ROWS["pool-lda"], ROWS["full-finetuning"]), track, [(0, 1)])
        assert verdict(interval) in ("better", "equal"), track


def test_votes_are_ahead_of_class_means_with_five_pictures_and_a_black_box_gains_nothing() -> None:
    means = {name: ROWS[name].mean(TRACKS[5]) or 0 for name in ("rtd", "frozen-prototype")}
    assert means["rtd"] > means["frozen-prototype"]
    assert abs(verdicts(ROWS["bidf-mkd"], ROWS["frozen-prototype"])[0]) < 0.005
