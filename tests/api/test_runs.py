"""The suite is run from Python as it is from the shell: the same records, the same messages."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import freeshot as fs
from freeshot.basics.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from tests.conftest import Install

TRACK = "toy/in-domain/2w1s"
Run = Callable[..., fs.Results]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run on one toy track without a display, unless a test wants another."""
    monkeypatch.chdir(tmp_path)
    return lambda *methods, **given: fs.run(
        **{"suite": "toy", "tracks": TRACK, "methods": methods, "progress": False, **given}
    )


def test_a_run_returns_the_records_of_its_cells(run: Run) -> None:
    results = run("noise", fs.method("noise", rank=2))
    assert [record.spec.method.options["rank"] for record in results] == [4, 2]
    assert {record.status for record in results} == {"ok"}
    assert list(fs.load_results("results")) == sorted(results, key=lambda record: record.cell)


def test_the_shell_skips_the_same_finished_cell(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from click.testing import CliRunner

    from freeshot.cli import main

    run(fs.method("lora-recycle", rank=2, learner={"lr": 0.5}))
    options = ("-m", "lora-recycle", "-o", "rank=2", "-o", "learner.lr=0.5")
    done = CliRunner().invoke(main, ["run", "toy", "-t", TRACK, *options])
    assert "Nothing to run. 1 cell finished before" in done.stdout


def test_a_finished_cell_is_not_run_again(run: Run) -> None:
    (first,), (second,), (third,) = (run("frozen-prototype", rerun=rerun) for rerun in (False, False, True))
    assert first == second
    assert third.test_evaluations == 2


def test_single_values_are_accepted_as_lists(run: Run) -> None:
    single, listed = (
        run(methods="frozen-prototype", seeds=3),
        run(methods=["frozen-prototype"], seeds=[3], tracks=[TRACK]),
    )
    assert list(single) == list(listed)
    assert single[0].spec.seed == 3


def test_options_reach_every_method_that_has_them(run: Run) -> None:
    results = run("frozen-prototype", "noise", options={"rank": 2})
    assert [record.spec.method.options.get("rank") for record in results] == [None, 2]


def test_a_launcher_takes_its_options_from_a_dictionary(run: Run) -> None:
    with pytest.raises(OptionError, match="Launcher 'local' takes at least one worker, but workers=0"):
        run("noise", launcher="local", launcher_options={"workers": 0})


def test_progress_is_shown_on_request_only(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("frozen-prototype")
    assert capsys.readouterr() == ("", "")
    run("noise", progress=True)
    assert f"{TRACK} · noise: " in capsys.readouterr().out


def test_a_run_leaves_the_file_that_repeats_it(run: Run) -> None:
    (record,) = run(fs.method("noise", rank=2), save_predictions=True)
    (file,) = Path("results/runs").glob("toy-*.toml")
    assert list(fs.run_file(file, progress=False)) == [record]
    (limited,) = fs.run_file(file, limit=3, results="elsewhere", progress=False)
    assert limited.spec.method == record.spec.method
    assert (limited.spec.limit, len(list(Path("elsewhere").rglob("*.npz")))) == (3, 1)


def test_an_unknown_argument_is_a_type_error(run: Run) -> None:
    run("frozen-prototype")
    (file,) = Path("results/runs").glob("*.toml")
    with pytest.raises(TypeError, match="colour"):
        fs.run_file(file, colour="red")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"suite": "toi"}, UnknownNameError, "No suite is called 'toi'. Did you mean 'toy'?"),
        ({"methods": fs.method("noise", rnk=1)}, UnknownNameError, "No option of 'noise' is called 'rnk'"),
        ({"methods": "noise", "options": ["rank"]}, OptionError, "Invalid option 'rank': expected KEY=VALUE"),
        ({"launcher": "lokal"}, UnknownNameError, "No launcher is called 'lokal'. Did you mean 'local'?"),
        ({"suite": None, "tracks": ()}, OptionError, "Nothing to run: give a suite"),
    ],
)
def test_errors_have_the_messages_of_the_shell(
    run: Run, given: dict[str, Any], error: type[fs.FreeshotError], message: str
) -> None:
    with pytest.raises(error) as raised:
        run(**given)
    assert message in str(raised.value)
    assert not Path("results").exists()


def test_an_option_of_an_invalid_type_is_refused_at_once() -> None:
    with pytest.raises(
        OptionError, match=r"Option 'learner.lr' cannot be a value of type set; expected text, a number"
    ):
        fs.method("noise", learner={"lr": {1}})


PLUGIN = """
from dataclasses import dataclass
from freeshot import Method, hookimpl

@dataclass(frozen=True)
class Broken(Method):
    \"\"\"Raise.\"\"\"

    name = "broken"

    def prepare(self, bench):
        raise RuntimeError("the reason")

@hookimpl
def freeshot_methods():
    return [Broken]
"""


def test_a_failed_cell_is_a_warning_and_a_record(run: Run) -> None:
    Path("mine.py").write_text(PLUGIN, encoding="utf-8")
    with pytest.warns(fs.FreeshotWarning, match=r"1 of 2 cells failed, first toy/in-domain/2w1s · broken: ") as caught:
        results = run("frozen-prototype", "broken", plugins=["mine.py"])
    assert [(record.status, "the reason" in record.reason) for record in results.failed] == [("failed", True)]
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


def test_a_plugin_that_cannot_be_loaded_is_a_warning(run: Run, install: Install) -> None:
    install("broken", "import no_such_module")
    with pytest.warns(fs.FreeshotWarning, match="Plugin 'broken' .*: Loading it raised ModuleNotFoundError"):
        run("frozen-prototype")


def test_an_interrupted_run_is_continued(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from freeshot.pipeline.record import measures

    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    run("frozen-prototype")
    monkeypatch.setattr("freeshot.pipeline.cell.measures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("frozen-prototype", "lora-recycle")
    monkeypatch.setattr("freeshot.pipeline.cell.measures", measures)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frozen, recycled = run("frozen-prototype", "lora-recycle")
    assert (frozen.test_evaluations, recycled.status) == (1, "ok")
    assert [stage.stage for stage in recycled.stages if stage.cached] == ["inversion", "meta-learning"]
