"""A failure names the line of the plugin that led to it, wherever the exception itself was raised."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from freeshot.basics.errors import OptionError, UndeclaredError
from freeshot.basics.failures import Failure, excerpt, failure_of, grouped
from freeshot.basics.files import read_bounded
from freeshot.basics.frames import Frame, is_plugin_file

if TYPE_CHECKING:
    from collections.abc import Callable


def caught(work: Callable[[], object]) -> BaseException:
    """Return what a function raises."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever the test raises
        return error
    raise AssertionError("nothing was raised")


def divide(by: int = 0) -> float:
    return 1 / by


def in_a_comprehension() -> list[float]:
    return [divide() for _ in range(3)]


def below_the_plugin() -> bytes:
    return read_bounded(Path("gone"), 10)  # a function of freeshot raises


def from_another() -> None:
    try:
        divide()
    except ZeroDivisionError as error:
        raise RuntimeError("no ratio") from error


@dataclass(frozen=True)
class Settings:
    scale: float = 1.0

    def change(self) -> None:
        self.scale = 2.0  # type: ignore[misc]


class MuteError(Exception):
    """An error whose message cannot be formatted."""

    def __str__(self) -> str:
        raise ValueError


def line_of(text: str) -> int:
    """Return the number of the line of this file that holds a text first."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("work", "source", "function"),
    [
        (divide, "return 1 / by", "divide"),
        (below_the_plugin, "return read_bounded(", "below_the_plugin"),
        (lambda: json.loads("{"), 'lambda: json.loads("{")', "<lambda>"),
        (lambda: Settings().change(), "self.scale = 2.0", "Settings.change"),
        (from_another, 'raise RuntimeError("no ratio")', "from_another"),
    ],
    ids=["its own line", "freeshot below it", "the standard library below it", "generated code below it", "a chain"],
)
def test_the_innermost_line_of_the_plugin_is_named(work: Callable[[], object], source: str, function: str) -> None:
    origin = failure_of(caught(work)).origin
    assert origin is not None
    assert (Path(origin.file), origin.line, origin.function) == (Path(__file__), line_of(source), function)
    assert source in origin.source


def test_the_reason_holds_the_error_the_file_and_the_line_but_no_folder() -> None:
    reason = failure_of(caught(divide)).reason
    assert (
        reason
        == f"ZeroDivisionError: division by zero (tests/basics/test_failures.py, line {line_of('return 1 / by')})"
    )


def test_a_comprehension_is_named_after_its_function_and_counted_once() -> None:
    frames = failure_of(caught(in_a_comprehension)).frames
    assert [frame.function for frame in frames] == ["caught", "in_a_comprehension", "divide"]


def test_a_line_of_a_cause_is_named_where_the_error_itself_has_none() -> None:
    error = OSError("wrapped")
    error.__cause__ = caught(divide)
    failure = failure_of(error)
    assert failure.origin is not None
    assert (failure.error, failure.origin.function) == ("OSError: wrapped", "divide")


def test_a_suppressed_context_is_left_out() -> None:
    error = OSError("wrapped")
    error.__context__, error.__suppress_context__ = caught(divide), True
    assert failure_of(error).origin is None


def test_an_error_about_user_input_keeps_its_message() -> None:
    error = caught(lambda: (_ for _ in ()).throw(OptionError("'x' is no number. Give one.")))
    failure = failure_of(error)
    assert (failure.reason, failure.origin, failure.frames) == ("'x' is no number. Give one.", None, ())
    assert "OptionError" in failure.traceback


def test_a_contract_violation_names_its_line() -> None:
    error = caught(lambda: (_ for _ in ()).throw(UndeclaredError("It asked for the pool.")))
    assert failure_of(error).reason.startswith("It asked for the pool. (tests/basics/test_failures.py, line ")
    assert failure_of(UndeclaredError("It asked for the pool.")).reason == "It asked for the pool."


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("one\n  two\x1b[31m"), "ValueError: one two [31m"),
        (ValueError(), "ValueError"),
        (MuteError(), "MuteError: its message cannot be printed"),
    ],
)
def test_any_message_becomes_one_printable_line(error: Exception, message: str) -> None:
    assert failure_of(error).error == message


def test_an_exception_of_another_process_names_the_line_that_ran_there() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        failure = failure_of(caught(lambda: pool.submit(divide).result()))
    assert failure.origin is not None
    assert (failure.origin.line, failure.origin.function) == (line_of("return 1 / by"), "divide")
    assert failure.origin.source == "return 1 / by"


def test_a_failure_survives_json() -> None:
    for failure in (failure_of(caught(divide)), failure_of(ValueError())):
        assert Failure.from_plain(json.loads(json.dumps(asdict(failure)))) == failure


INSTALLED = "/env/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/home/ann/mine.py", True),
        ("/home/ann/plugins/freeshot_vision/cards.py", True),
        (f"{INSTALLED}/freeshot_lora_recycle/method.py", True),
        (f"{INSTALLED}/listed/method.py", True),
        (f"{INSTALLED}/listed.py", True),
        (f"{INSTALLED}/torch/nn/functional.py", False),
        ("/usr/lib/python3/dist-packages/numpy/core.py", False),
        (subprocess.__file__, False),
        (sysconfig.get_paths()["stdlib"] + "/json/decoder.py", False),
        (sys.modules["freeshot"].__file__, False),
        ("<string>", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_files_of_plugins_are_distinguished_from_others(file: str, expected: bool) -> None:
    assert is_plugin_file(file, {"listed"}) is expected


@pytest.mark.parametrize(
    ("file", "module", "short"),
    [
        ("/a/b/mine.py", "freeshot_file_mine", "mine.py"),
        ("/a/b/pack/inner/part.py", "pack.inner.part", "pack/inner/part.py"),
        ("/a/b/pack/__init__.py", "pack", "pack/__init__.py"),
        ("/a/b/mine.py", "", "mine.py"),
    ],
)
def test_a_short_file_begins_at_its_package(file: str, module: str, short: str) -> None:
    assert Frame(file, 1, "f", module=module).short == short


MINE = Frame("/home/ann/mine.py", 3, "Mine.prepare", "self.go()", "freeshot_file_mine")
TORCH = Frame(f"{INSTALLED}/torch/nn/linear.py", 9, "forward", "return x", "torch.nn.linear")


def test_an_excerpt_shows_the_plugins_line_and_the_last_frames() -> None:
    assert excerpt(Failure("E", MINE, (MINE, TORCH)), Path("/home/ann")) == (
        "mine.py:3 in Mine.prepare",
        "    self.go()",
        "last frames:",
        "    mine.py:3 in Mine.prepare: self.go()",
        "    torch/nn/linear.py:9 in forward: return x",
    )


def test_the_plugins_line_is_shown_once_where_it_is_the_last_frame() -> None:
    assert excerpt(Failure("E", MINE, (MINE,)), Path("/elsewhere")) == (
        "/home/ann/mine.py:3 in Mine.prepare",
        "    self.go()",
    )


def test_a_whole_excerpt_is_the_traceback_without_control_characters() -> None:
    assert excerpt(Failure("E", traceback="a\n  b\x1b[31m\n"), Path(), whole=True) == ("a", "  b [31m")


def test_groups_keep_the_order_of_their_first_items() -> None:
    assert grouped(["ab", "c", "de", "f"], len) == [["ab", "de"], ["c", "f"]]


def test_frames_down_to_the_plugins_line_are_kept_however_deep_the_exception_is() -> None:
    frames = failure_of(caught(lambda: json.loads("[" * 9, object_hook=print))).frames
    assert [frame.file for frame in frames[:2]] == [__file__, __file__]
    assert [Path(frame.file).parent.name for frame in frames[2:]] == ["json", "json"]
