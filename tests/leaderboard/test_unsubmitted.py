"""An evaluation is ranked beside the records that share its conditions, and paired with them."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.conftest import EPISODES, INSTALLED, SKETCH, make_record

from freeshot.leaderboard.unsubmitted import Conditions, Standing, standing_of
from freeshot.records.models import ComponentSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.records.models import RunRecord

ICONS = "in-domain/icons/5w1s"
TOY = ComponentSpec(kind="backbone", name="vit-toy")


def conditions(*tracks: str, **changed: Any) -> Conditions:
    settings: dict[str, Any] = {
        "suite": "pocket",
        "backbone": dict.fromkeys(tracks, TOY),
        "backbone_sha256": "",
        "precision": "fp32",
        "versions": dict.fromkeys(tracks, 1),
        "episodes": dict.fromkeys(tracks, ("aa", EPISODES)),
    }
    return Conditions(**settings | changed)


def standing_at(
    mean: float, records: Sequence[RunRecord], *tracks: str, name: str = "mine", **changed: Any
) -> Standing:
    tracks = tracks or (SKETCH,)
    accuracies = {track: make_record(mean=mean, track=track).accuracies for track in tracks}
    return standing_of(name, accuracies, records, conditions(*tracks, **changed), INSTALLED)


def test_differences_are_means_of_paired_differences() -> None:
    record = make_record("alpha", mean=0.45, phase=1)
    standing = standing_at(0.5, [record])
    (row,) = standing.others
    mine = make_record(mean=0.5).accuracies
    expected = fmean(a - b for a, b in zip(mine, record.accuracies, strict=True))
    assert row.difference == pytest.approx(expected)
    assert row.differences[SKETCH].mean == pytest.approx(expected)


def test_rows_that_differ_significantly_have_other_ranks() -> None:
    records = [make_record("best", mean=0.8), make_record("same", mean=0.5), make_record("worst", mean=0.2)]
    standing = standing_at(0.5, records)
    assert [(row.label, row.position) for row in standing.rows] == [
        ("best", 1),
        ("mine (unsubmitted)", 2),
        ("same", 2),
        ("worst", 4),
    ]
    assert standing.ranks == {SKETCH: (2, 4)}
    best = standing.best(SKETCH)
    assert best is not None
    assert best.label == "best"


def test_a_ranking_without_records_has_the_evaluation_alone() -> None:
    standing = standing_at(0.5, [])
    assert (standing.others, standing.reference, standing.best(SKETCH)) == ((), None, None)
    assert standing.ranks == {SKETCH: (1, 1)}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"backbone": {SKETCH: ComponentSpec(kind="backbone", name="other")}}, "on another backbone"),
        ({"backbone": {SKETCH: ComponentSpec(kind="backbone", name="vit-toy", options={"side": 64})}},
         "on another backbone"),
        ({"precision": "bf16"}, "in another precision"),
        ({"versions": {SKETCH: 2}}, "on other episodes"),
        ({"episodes": {SKETCH: ("bb", EPISODES)}}, "on other episodes"),
        ({"episodes": {SKETCH: ("aa", EPISODES + 1)}}, "on other episodes"),
    ],
)  # fmt: skip
def test_records_under_other_conditions_are_never_paired(changed: dict[str, Any], reason: str) -> None:
    standing = standing_at(0.5, [make_record("alpha")], **changed)
    assert standing.others == ()
    assert standing.not_paired == {reason: 1}


def test_a_record_of_other_weights_is_not_paired() -> None:
    record = make_record("alpha").model_copy(update={"hashes": {"backbone": "old"}})
    assert standing_at(0.5, [record], backbone_sha256="new").not_paired == {"on another backbone": 1}
    assert len(standing_at(0.5, [record], backbone_sha256="old").others) == 1


def test_limited_records_are_not_paired() -> None:
    standing = standing_at(0.5, [make_record("alpha", limit=5)], episodes={SKETCH: ("aa", 5)})
    assert standing.not_paired == {"not comparable": 1}


def test_records_of_other_suites_and_tracks_and_failures_are_ignored() -> None:
    records = [make_record(suite="heads"), make_record(track=ICONS), make_record("beta", status="failed")]
    standing = standing_at(0.5, records)
    assert (standing.others, standing.not_paired) == ((), {})


def test_a_row_that_lacks_a_track_has_no_rank() -> None:
    records = [make_record("whole"), make_record("whole", track=ICONS), make_record("half")]
    standing = standing_at(0.5, records, SKETCH, ICONS)
    half = next(row for row in standing.rows if row.label == "half")
    assert (half.rank, half.position, half.mean) == (None, None, None)
    assert set(half.differences) == {SKETCH}
    assert standing.ranks == {SKETCH: (1, 3), ICONS: (1, 2)}


def test_controls_are_compared_and_not_ranked() -> None:
    standing = standing_at(0.5, [make_record("noise", role="floor", mean=0.2)])
    (floor,) = standing.controls
    assert (floor.rank, floor.position) == (None, None)
    assert floor.verdicts["better"] == 1
    assert standing.ranks == {SKETCH: (1, 1)}


def test_a_standing_has_the_suites_reference_row() -> None:
    standing = standing_at(0.5, [make_record("frozen-prototype", mean=0.4), make_record("alpha")])
    assert standing.reference is not None
    assert standing.reference.label == "frozen-prototype"


def test_a_name_of_a_method_does_not_collide_with_its_row() -> None:
    standing = standing_at(0.9, [make_record("alpha", mean=0.1)], name="alpha")
    assert [row.label for row in standing.rows] == ["alpha (unsubmitted)", "alpha"]


def test_an_excerpt_has_the_best_rows_the_neighbours_and_the_reference() -> None:
    means = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.4, "f": 0.3, "frozen-prototype": 0.2, "g": 0.1}
    standing = standing_at(0.5, [make_record(name, mean=mean) for name, mean in means.items()])
    labels = [row.label for row in standing.excerpt(1)]
    assert labels == ["a", "d", "mine (unsubmitted)", "e", "frozen-prototype"]


def test_a_standing_is_json() -> None:
    import json

    plain = json.loads(json.dumps(standing_at(0.5, [make_record("alpha")]).to_json()))
    assert [row["label"] for row in plain["rows"]] == ["alpha", "mine (unsubmitted)"]
    assert plain["ranks"] == {SKETCH: {"rank": 1, "rows": 2}}
