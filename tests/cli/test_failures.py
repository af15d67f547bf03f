"""`run` and `plugin check` show the line of a plugin's own file that raised, once for each cause."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result
    from tests.cli.conftest import Call

LOADED = "toy,baselines,lora-recycle,launchers"
METHOD = '''
from dataclasses import dataclass
from freeshot import Method, Needs, hookimpl

@dataclass(frozen=True)
class Mine(Method):
    """Average the heads of the pool."""

    name = "mine"
    needs = frozenset({Needs.POOL})

    def prepare(self, bench):
        {body}
        return bench.frozen()

@hookimpl
def freeshot_methods():
    return [Mine]
'''
NO_HEAD = "heads = [lora.head for lora in bench.pool().entries]"
ERROR = "AttributeError: 'LoraEntry' object has no attribute 'head' (mine.py, line 13)"
OTHERS = (
    "runs a toy track of 5 ways and 5 shots from end to end",
    "the same seed gives the same accuracies",
    "can be interrupted",
)
FROZEN = '''
from dataclasses import dataclass
from freeshot import GradientMetaLearner, hookimpl

@dataclass(frozen=True)
class Mine(GradientMetaLearner):
    """Learn a temperature."""

    name = "mine"
    scale: float = 1.0
    """Temperature."""

    def loss(self, model, task):
        self.scale = 2.0

@hookimpl
def freeshot_meta_learners():
    return [Mine]
'''
DATA_AND_TRACK = '''
from dataclasses import dataclass
from freeshot import FewShotDataset, Track, hookimpl
from freeshot.testing.toy import SPLITS, ToyImages

@dataclass(frozen=True)
class Mine(FewShotDataset):
    """Pictures of my own."""

    name = "my-folder"
    domain = "mine"
    license = "mine"

    def load(self, split, root):
        return ToyImages(tuple(SPLITS[split]))

@hookimpl
def freeshot_datasets():
    return [Mine]

@hookimpl
def freeshot_tracks():
    toy = {"pool": "toy", "sources": ("toy-waves",), "backbone": "toy-vit"}
    return [Track(name="mine/2w1s", dataset="my-folder", way=2, shot=1, query=3, episodes=5, **toy)]
'''


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write mine.py into the working directory and return its name."""
    monkeypatch.chdir(tmp_path)

    def write(source: str) -> str:
        Path("mine.py").write_text(source, encoding="utf-8")
        return "mine.py"

    return write


@pytest.fixture
def run_mine(call: Call, written: Callable[[str], str]) -> Callable[..., Result]:
    """Run the method 'mine' with this body on toy tracks."""

    def run(body: str, *arguments: str) -> Result:
        file = written(METHOD.replace("{body}", body))
        return call("run", "toy", "--method", "mine", "--plugin", file, *arguments, plugins=LOADED)

    return run


ON_TRACK = ("--track", "toy/in-domain/2w1s")


def end_of(result: Result) -> list[str]:
    """Return what a run without a result prints between the counts and the paths."""
    lines = result.stdout.splitlines()
    (start,) = (index for index, line in enumerate(lines) if re.match(r"\d+ cells? ran: \d+ (failed|violated)\.", line))
    assert lines[-3:] == ["", "Records: results", "All tables: freeshot leaderboard --suite toy --all"]
    return lines[start + 1 : -3]


def test_a_run_shows_the_line_of_the_plugin_and_the_path_of_the_traceback(run_mine: Callable[..., Result]) -> None:
    result = run_mine(NO_HEAD, *ON_TRACK)
    (kept,) = Path(".freeshot/failures").iterdir()
    assert result.exit_code == 1
    assert end_of(result) == [
        f"toy/in-domain/2w1s · mine: {ERROR}",
        "    mine.py:13 in Mine.prepare",
        f"        {NO_HEAD}",
        f"    The full traceback is in {kept}; --traceback prints it.",
    ]
    assert "Traceback (most recent call last):" in kept.read_text(encoding="utf-8")


def test_a_record_names_the_line_and_no_folder_of_this_machine(run_mine: Callable[..., Result]) -> None:
    run_mine(NO_HEAD, *ON_TRACK)
    (record,) = Path("results").rglob("*.json")
    assert json.loads(record.read_text(encoding="utf-8"))["reason"] == ERROR


def test_frames_below_the_plugin_are_shown(run_mine: Callable[..., Result]) -> None:
    lines = end_of(run_mine("import json; json.loads('{')", *ON_TRACK))
    assert lines[1:5] == [
        "    mine.py:13 in Mine.prepare",
        "        import json; json.loads('{')",
        "    last frames:",
        "        mine.py:13 in Mine.prepare: import json; json.loads('{')",
    ]
    assert [line.partition(":")[0] for line in lines[5:-1]] == ["        json/decoder.py"] * 2


def test_a_violated_declaration_is_shown_with_its_line(run_mine: Callable[..., Result]) -> None:
    lines = end_of(run_mine("bench.base_tasks(flip=False)", *ON_TRACK))
    assert "which it did not declare" in lines[0]
    assert lines[0].endswith("(mine.py, line 13)")
    assert lines[1:3] == ["    mine.py:13 in Mine.prepare", "        bench.base_tasks(flip=False)"]


def test_a_freeshot_error_of_the_plugin_is_shown_unchanged(run_mine: Callable[..., Result]) -> None:
    sentence = "The pool holds no head. Choose another pool."
    result = run_mine(f"from freeshot.basics.errors import PoolError; raise PoolError('{sentence}')", *ON_TRACK)
    assert end_of(result) == [f"toy/in-domain/2w1s · mine: {sentence}"]


@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_full_traceback_is_printed_on_request(
    run_mine: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("FREESHOT_DEBUG", "1" if how == "variable" else "0")
    message = "\n".join(end_of(run_mine(NO_HEAD, *ON_TRACK, *(["--traceback"] if how == "option" else []))))
    assert "    Traceback (most recent call last):" in message
    assert "cell.py" in message
    assert f'mine.py", line 13, in prepare\n        {NO_HEAD}' in message
    assert "is in .freeshot" not in message


@pytest.mark.parametrize("workers", ["1", "2"])
def test_cells_that_fail_for_one_reason_are_reported_once_for_any_number_of_workers(
    run_mine: Callable[..., Result], workers: str
) -> None:
    lines = end_of(run_mine(NO_HEAD, "--track", "toy/in-domain/*", "-l", f"workers={workers}"))
    assert [line for line in lines if ERROR in line] == lines[:1]
    assert lines[1:3] == ["    mine.py:13 in Mine.prepare", f"        {NO_HEAD}"]
    assert lines[3].startswith("    The full traceback is in .freeshot/failures/")
    assert lines[4].startswith("    1 more cell fails for the same reason: toy/in-domain/2w")


def test_a_plugin_file_without_a_hook_is_refused(call: Call, written: Callable[[str], str]) -> None:
    file = written("def hello():\n    return 1\n")
    for arguments in (("run", "toy", "--plugin", file), ("--plugin", file, "list"), ("plugin", "check", file)):
        result = call(*arguments, plugins=LOADED)
        assert result.exit_code == 2
        assert result.stderr == (
            "Error: mine.py implements no hook of freeshot, but a plugin file must implement at least one, such as "
            "freeshot_methods. Add a hook with @hookimpl above it, or name another file.\n"
        )


def test_a_check_reports_a_cause_once_and_lists_the_other_rules(call: Call, written: Callable[[str], str]) -> None:
    result = call("plugin", "check", written(METHOD.replace("{body}", NO_HEAD)), plugins=LOADED)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[6:] == [
        f"  ✗ runs a toy track of 2 ways and 1 shot from end to end: On a 2-way 1-shot track: {ERROR}",
        "      mine.py:13 in Mine.prepare",
        f"          {NO_HEAD}",
        f"      3 more rules fail for the same reason: {'; '.join(OTHERS)}",
        "--traceback prints the full traceback of each error.",
    ]


def test_a_check_names_the_plugins_line_and_not_generated_code(call: Call, written: Callable[[str], str]) -> None:
    output = call("plugin", "check", written(FROZEN), plugins=LOADED).stdout
    assert output.count("It raised FrozenInstanceError: cannot assign to field 'scale' (mine.py, line 14).") == 1
    assert "      mine.py:14 in Mine.loss\n          self.scale = 2.0\n      7 more rules fail" in output
    assert "<string>" not in output


def test_a_check_prints_the_full_traceback_on_request(call: Call, written: Callable[[str], str]) -> None:
    output = call("plugin", "check", "--traceback", written(FROZEN), plugins=LOADED).stdout
    assert output.count("      Traceback (most recent call last):") == 1
    assert "--traceback prints" not in output


def test_a_check_names_the_line_that_fails_in_a_worker_process(call: Call, written: Callable[[str], str]) -> None:
    body = "import multiprocessing; assert multiprocessing.parent_process() is None"
    output = call("plugin", "check", written(METHOD.replace("{body}", body)), plugins=LOADED).stdout
    assert (
        "gives the same results in worker processes: In a worker process: AssertionError (mine.py, line 13)" in output
    )
    assert output.count("✗") == 1


def test_a_track_is_checked_beside_the_data_set_of_its_file(call: Call, written: Callable[[str], str]) -> None:
    result = call("plugin", "check", written(DATA_AND_TRACK), plugins=LOADED)
    assert result.exit_code == 0, result.output
    assert "track 'mine/2w1s'\n  ✓ its data set, backbone and pool are available and compatible" in result.stdout


def test_a_track_is_checked_beside_the_other_files_that_are_loaded(call: Call, written: Callable[[str], str]) -> None:
    start = DATA_AND_TRACK.index("@hookimpl\ndef freeshot_tracks")
    Path("tracks.py").write_text("from freeshot import Track, hookimpl\n" + DATA_AND_TRACK[start:], encoding="utf-8")
    data = written(DATA_AND_TRACK[:start])
    result = call("--plugin", data, "plugin", "check", "tracks.py", plugins=LOADED)
    assert result.exit_code == 0, result.output


def test_a_reproduction_that_fails_is_shown_like_a_run(run_mine: Callable[..., Result], call: Call) -> None:
    body = "__import__('pathlib').Path('broken').exists() and bench.pool().entries[0].head"
    assert run_mine(body, *ON_TRACK).exit_code == 0
    (record,) = Path("results").rglob("mine-*.json")
    Path("broken").touch()
    done = call("reproduce", str(record), "--plugin", "mine.py", "--cache", "elsewhere", plugins=LOADED)
    assert done.exit_code == 1
    assert f"toy/in-domain/2w1s · mine: {ERROR}\n    mine.py:13 in Mine.prepare\n" in done.stdout
    assert done.stderr == "Error: The cell failed.\n"
