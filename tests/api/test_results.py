"""Results in memory: filters, leaderboard, comparison, frames, and their display in notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.conftest import make_record

import freeshot as fs
from freeshot.basics.errors import EpisodeError, OptionError, StoreError, UnknownNameError

if TYPE_CHECKING:
    from tests.cli.conftest import Call

NEAR, FAR = "in-domain/a/5w1s", "cross-domain/b/5w1s"
RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def results() -> fs.Results:
    """Return three methods on two tracks, a row with another option, and a failure."""
    means = {"alpha": (0.9, 0.5), "beta": (0.7, 0.6), "gamma": (0.4, 0.4)}
    records = [
        make_record(name, track, mean, phase=phase)
        for phase, (name, pair) in enumerate(means.items())
        for track, mean in zip((NEAR, FAR), pair, strict=True)
    ]
    records.append(make_record("gamma", NEAR, 0.6, options={"rank": 8}))
    records.append(make_record("delta", NEAR, status="failed", reason="<b>The disk is full.</b>"))
    return fs.Results(records)


def test_results_are_a_sequence_of_records(results: fs.Results) -> None:
    assert len(results) == 8
    assert results[0].spec.method.name == "alpha"
    assert [record.cell for record in results[:2]] == [results[0].cell, results[1].cell]
    assert isinstance(results[:2], fs.Results)
    assert results[-1] in results


def test_the_suites_tracks_and_methods_of_records_are_listed(results: fs.Results) -> None:
    assert results.suites == ("pocket",)
    assert results.tracks == (FAR, NEAR)
    assert results.methods == ("alpha", "beta", "delta", "gamma")
    assert [record.spec.method.name for record in results.failed] == ["delta"]
    assert repr(results) == "Results: 8 records of 4 methods on 2 tracks (suites: pocket)"


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({}, 8),
        ({"suite": "pocket"}, 8),
        ({"track": "in-domain/*"}, 5),
        ({"method": "gamma"}, 3),
        ({"method": ["alpha", "gamma [rank=8]"]}, 3),
        ({"track": [FAR], "method": "beta"}, 1),
    ],
)
def test_records_are_filtered(results: fs.Results, given: dict[str, Any], count: int) -> None:
    assert len(results.filter(**given)) == count


def test_a_filter_that_matches_no_record_is_refused(results: fs.Results) -> None:
    with pytest.raises(UnknownNameError, match="No row or method with records is called 'alfa'"):
        results.filter(method="alfa")


def test_a_frame_has_a_row_per_record(results: fs.Results) -> None:
    frame = results.to_frame()
    assert len(frame) == len(results)
    assert frame.set_index(["label", "track"]).loc[("gamma [rank=8]", NEAR), "accuracy"] == pytest.approx(0.6)
    assert frame["accuracy"].isna().sum() == 1
    assert list(fs.Results([]).to_frame().columns) == list(frame.columns)


def test_a_frame_without_pandas_is_an_error(results: fs.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(OptionError, match=r"A frame needs pandas, which is not installed. Install it: pip install"):
        results.to_frame()


def test_the_leaderboard_ranks_the_rows(results: fs.Results) -> None:
    board = results.leaderboard()
    assert [row.values["method"] for row in board.rows] == ["alpha", "beta", "gamma", "gamma [rank=8]", "delta"]
    frame = board.to_frame()
    assert frame["mean"].tolist()[:3] == pytest.approx([0.7, 0.65, 0.4])
    assert frame["position"].tolist()[:3] == [1, 1, 3]


def test_the_leaderboard_prints_as_in_the_shell(results: fs.Results, call: Call, tmp_path: Path) -> None:
    for record in results:
        record.write(tmp_path / record.spec.relative_path)
    printed = call("leaderboard", str(tmp_path), plugins="").stdout
    assert printed.splitlines()[:-1] == [line.rstrip() for line in repr(results.leaderboard()).splitlines()]


def test_rows_and_tracks_of_the_leaderboard_are_chosen(results: fs.Results) -> None:
    board = results.leaderboard("pocket", tracks="in-domain/*", methods=["beta", "gamma"], sort="mean", top=1)
    assert [row.values["method"] for row in board.rows] == ["beta"]
    assert (board.tracks, board.hidden) == (1, 1)


def test_two_rows_are_compared(results: fs.Results) -> None:
    comparison = results.compare("alpha", "beta")
    assert comparison.mean_difference == pytest.approx(0.05)
    frame = comparison.to_frame()
    assert frame["difference"].tolist() == pytest.approx([-0.1, 0.2])
    assert frame["verdict"].tolist() == ["worse", "better"]
    assert results.compare("alpha", "beta", tracks="in-domain/*", margin=50).wins["equal"] == 1


def test_a_comparison_prints_as_in_the_shell(results: fs.Results, call: Call, tmp_path: Path) -> None:
    for record in results:
        record.write(tmp_path / record.spec.relative_path)
    done = call("compare", "alpha", "beta", str(tmp_path), plugins="")
    printed = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [" ".join(line.split()) for line in repr(results.compare("alpha", "beta")).splitlines()][:5] == printed[:5]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("alpha", "betta", "No row or method with records is called 'betta'. Did you mean 'beta'?"),
        ("alpha", "delta", "have no requested track in common"),
    ],
)
def test_rows_that_cannot_be_compared_are_named(results: fs.Results, first: str, second: str, message: str) -> None:
    with pytest.raises((UnknownNameError, EpisodeError)) as error:
        results.compare(first, second)
    assert message in str(error.value)


def test_without_records_there_is_nothing_to_rank() -> None:
    for call in (fs.Results([]).leaderboard, lambda: fs.Results([]).compare("a", "b")):
        with pytest.raises(StoreError, match=r"The results are empty. Create records with freeshot.run"):
            call()
    assert repr(fs.Results([])) == "Results: 0 records of 0 methods on 0 tracks"


def test_of_several_suites_the_main_suite_is_shown(results: fs.Results) -> None:
    others = [make_record(name, suite="other") for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i")]
    assert fs.Results([*results, *others]).leaderboard().suite == "pocket"
    assert fs.Results([*results, *others]).leaderboard("other").suite == "other"


class TestInANotebook:
    def test_results_are_a_leaderboard(self, results: fs.Results) -> None:
        html = results._repr_html_()
        assert html.startswith("<table><caption>Suite pocket: accuracy in % on 2 tracks</caption>")
        assert "<tr><td>1</td><td>alpha</td>" in html
        assert "share a rank." in html

    def test_without_a_result_they_are_a_list(self, results: fs.Results) -> None:
        html = results.failed._repr_html_()
        assert "<td>delta</td><td>failed</td>" in html
        assert fs.Results([])._repr_html_().startswith("<table><caption>Results: 0 records")

    def test_a_long_list_is_cut(self) -> None:
        limited = fs.Results([make_record(seed=seed, limit=5) for seed in range(35)])
        assert "<div>5 more</div>" in limited._repr_html_()

    def test_a_comparison_is_a_table(self, results: fs.Results) -> None:
        html = results.compare("alpha", "beta")._repr_html_()
        assert "<caption>A: alpha, B: beta</caption>" in html
        assert "<td>worse</td>" in html
        assert "too few for a claim across tracks" in html

    def test_names_are_escaped(self) -> None:
        hostile = [make_record(f"<script>{name}", t) for name in "ab" for t in (NEAR, "in-domain/<i>/5w1s")]
        results = fs.Results(hostile)
        for html in (results._repr_html_(), results.compare("<script>a", "<script>b")._repr_html_()):
            assert "<script>" not in html
            assert "&lt;script&gt;" in html
            assert "<i>" not in html


def test_the_committed_results_are_loaded() -> None:
    results = fs.load_results(RESULTS / "pocket")
    assert len(results) > 300
    assert results.failed[:] is not None
    assert "lora-recycle" in results.methods


def test_an_invalid_record_is_a_warning(tmp_path: Path) -> None:
    make_record().write(tmp_path / "good.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.warns(fs.FreeshotWarning, match=r"bad\.json is not a valid record"):
        assert len(fs.load_results(tmp_path)) == 1


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"The folder .*gone does not exist. Create records with freeshot.run, or load another"
    ):
        fs.load_results(tmp_path / "gone")


def test_predictions_are_loaded_by_the_file_of_their_record(tmp_path: Path) -> None:
    from tests.records.test_predictions import made

    made().write(tmp_path / "alpha-0.npz")
    for name in ("alpha-0.npz", "alpha-0.json"):
        assert fs.load_predictions(tmp_path / name).cell == made().cell
    with pytest.raises(StoreError, match="is not a file of predictions"):
        fs.load_predictions(tmp_path / "gone.json")
