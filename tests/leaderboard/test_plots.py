"""Plots hold the rows of the board and are deterministic."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.leaderboard.conftest import INSTALLED, make_record

from freeshot.basics.errors import OptionError
from freeshot.leaderboard import boards
from freeshot.leaderboard.costs import costs, usual_device
from freeshot.render.plots import write_plots
from freeshot.render.plots.cost import Point, cost_points, front, spaced
from freeshot.render.plots.episodes import points

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.leaderboard import Board

NAMES = ["cost", "critical-difference", "episodes", "forest-cross-domain", "forest-in-domain", "paired"]
HOSTILE = "$\\frac{x}$ <b> & \u05d0"


@pytest.fixture(scope="module")
def plot_boards() -> tuple[Board, ...]:
    means = {"lora-recycle": 0.6, "frozen-prototype": 0.5, "beta": 0.4, f"odd {HOSTILE}": 0.3}
    records = [
        make_record(
            method, track, mean + i / 50, phase=phase % 3, options={"text": HOSTILE} if method == "beta" else {}
        )
        for i, track in enumerate(["in-domain/sketch/5w1s", "cross-domain/flags/5w1s"])
        for phase, (method, mean) in enumerate(means.items())
    ]
    return boards(records, INSTALLED)


@pytest.fixture(scope="module")
def folder(plot_boards: tuple[Board, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plots")
    write_plots(plot_boards, folder / "one")
    return folder


def test_every_plot_is_an_svg_with_the_labels_of_its_rows(folder: Path) -> None:
    for name in NAMES:
        path = folder / "one" / f"pocket-v1-{name}.svg"
        tree = ET.parse(path)  # noqa: S314  written by this test
        texts = {" ".join((text.text or "").split()) for text in tree.iter("{http://www.w3.org/2000/svg}text")}
        rows = ["lora-recycle", "frozen-prototype"] + [f"odd {HOSTILE}"] * (name not in {"paired", "episodes"})
        for row in rows:
            assert any(row in text for text in texts), (name, row)
    assert sorted(path.stem.removeprefix("pocket-v1-") for path in (folder / "one").iterdir()) == NAMES


def test_the_same_records_give_the_same_bytes(plot_boards: tuple[Board, ...], folder: Path) -> None:
    for path in write_plots(plot_boards, folder / "two"):
        text = path.read_text(encoding="utf-8")
        assert text == (folder / "one" / path.name).read_text(encoding="utf-8")
        assert "<dc:date>" not in text


def test_png_is_written_on_demand_and_a_board_without_pairs_has_fewer_plots(tmp_path: Path) -> None:
    paths = write_plots(boards([make_record("alpha")]), tmp_path, "png")
    assert [path.name for path in paths] == ["pocket-v1-forest-in-domain.png", "pocket-v1-cost.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_suites_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    paths = write_plots(boards([make_record("alpha", suite="../../x")]), tmp_path)
    assert {path.parent for path in paths} == {tmp_path}


def test_equal_episodes_are_one_point_with_their_number() -> None:
    pairs, counts = points([50.0, 50.0, 60.0, 50.0], [70.0, 70.0, 50.0, 60.0])
    assert pairs == [(50.0, 60.0), (50.0, 70.0), (60.0, 50.0)]
    assert counts == [1, 2, 1]


def test_every_row_of_the_first_method_has_its_own_plot_of_episodes(tmp_path: Path) -> None:
    rows = [make_record("lora-recycle", options={"flip": flip}) for flip in (True, False)]
    made = boards([*rows, make_record("frozen-prototype", phase=1)], INSTALLED)
    names = {path.stem.removeprefix("pocket-v1-") for path in write_plots(made, tmp_path)}
    assert {name for name in names if name.startswith("episodes-")} == {
        "episodes-lora-recycle-flip-false",
        "episodes-lora-recycle-flip-true",
    }


def test_the_front_holds_the_methods_that_no_other_beats_in_both_cost_and_accuracy() -> None:
    cheap, good, poor = Point("cheap", False, 1, 0.5), Point("good", False, 9, 0.7), Point("poor", False, 10, 0.6)
    ceiling = Point("ceiling", True, 0.5, 0.9)
    assert front([poor, good, ceiling, cheap]) == (cheap, good)
    assert front([cheap, Point("twin", False, 1, 0.5)]) == (cheap, Point("twin", False, 1, 0.5))


@pytest.mark.parametrize(
    "heights", [[50.0] * 32, [70.0, 50.0, 50.0, 49.9], [float(70 - i / 9) for i in range(40)], [30.0]]
)
def test_labels_of_the_cost_plot_never_overlap_and_keep_their_order(heights: list[float]) -> None:
    positions = spaced(heights, 30, 72)
    step = 42 / max(24, len(heights))
    assert all(above - below >= step - 1e-9 for above, below in pairwise(positions))
    assert 30 + step / 2 - 1e-9 <= min(positions)
    assert max(positions) <= 72 - step / 2 + 1e-9


def test_a_label_with_enough_room_is_beside_its_point() -> None:
    assert spaced([60.0, 50.0, 40.0], 30, 72) == [60.0, 50.0, 40.0]


def test_a_row_that_lacks_a_track_is_not_in_the_cost_plot(plot_boards: tuple[Board, ...]) -> None:
    (board,) = boards([make_record("alpha"), make_record("beta"), make_record("alpha", "in-domain/icons/5w1s")])
    assert [point.label for point in cost_points(board)] == ["alpha"]
    assert cost_points(board)[0].seconds == 43.75


def test_seconds_of_another_device_are_not_drawn_beside_them() -> None:
    """A GPU takes seconds where a CPU takes minutes; that does not make the method cheaper."""
    rows = [make_record("alpha"), make_record("beta"), make_record("fast", device="card")]
    (board,) = boards(rows)
    assert [point.label for point in cost_points(board)] == ["alpha", "beta"]
    assert usual_device(costs(board)) == "AMD EPYC"


def test_without_matplotlib_the_error_states_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "freeshot.render.plots.style.find_spec", lambda name: None if name == "matplotlib" else real(name)
    )
    with pytest.raises(OptionError) as message:
        write_plots([], tmp_path)
    assert str(message.value) == "Plots need matplotlib, which is not installed. Run: pip install 'freeshot[plot]'."
