"""Arbitrary files in a results folder: a bad file is reported in one sentence, and the rest is shown."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.leaderboard.conftest import make_record

from freeshot.basics.errors import StoreError
from freeshot.leaderboard.submission import pack_records
from freeshot.records.load import load_records
from freeshot.records.models import LARGEST, RunRecord, RunSpec
from freeshot.records.store import record_path
from freeshot.render import render, render_terminal, stale_leaderboards, write_leaderboards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FORMS = ("markdown", "latex", "csv", "json", "html")
NASTY = [
    "", " ", "\x1b[2J\x1b[31mred", "\x00", "\x07\x08\r\n", "\u2028\u2029", "\u202eevil", "\ufeff", "a\nb",
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--", "]]>", "&lt;b&gt;", "@DATA@",
    "[bold]x[/bold]", "| a | b |", "`code` $x$ [a](b) ~~c~~ #d", "\\input{/etc/passwd}", "[2em]", "*", "^^M", "%n%s",
    "{0}{x}", "=cmd|' /C calc'!A0", "@SUM(1)", "../../x", "/etc/x", "..\\x", "C:\\x", "leaderboard", ".hidden",
    "x" * 5000, "𝒳" * 50,
]  # fmt: skip
NUMBERS = [
    -1, 0, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308, 1e17,
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
WRONG: list[Any] = [None, True, [], {}, [[]], {"a": {"b": []}}, "1", "0.5", "nan"]
STRINGS = st.sampled_from(NASTY) | st.text(max_size=30)
VALUES = STRINGS | st.sampled_from([*NUMBERS, *WRONG]) | st.floats() | st.integers()
STATES = st.sampled_from(["ok", "failed"])
UNCHANGED = {"cell", "status", "data_free", "finished"}
"""Strings that must not change for a record to be valid."""


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)


PLAIN = Tags(render("html", [make_record()])).names


def plain(record: RunRecord) -> dict[str, Any]:
    actual: dict[str, Any] = json.loads(record.model_dump_json())
    return actual


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the paths of all values that are not containers."""
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def put(value: Any, path: Sequence[Any], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def resealed(record: dict[str, Any]) -> dict[str, Any]:
    """Give a changed record the hash of its spec, if the spec is valid."""
    try:
        return record | {"cell": RunSpec.model_validate_json(json.dumps(record["spec"]), strict=True).cell}
    except ValueError:
        return record


@contextmanager
def results() -> Iterator[Path]:
    """Yield a results folder with one good record; check that nothing appears beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "results"
        make_record().write(folder / "good.json")
        yield folder
        assert [path.name for path in Path(name).iterdir()] == ["results"]


def rendered(folder: Path) -> dict[str, str]:
    """Render a folder in every format, and check what must hold of any folder."""
    loaded = load_records(folder)
    console = Console(file=io.StringIO(), width=160, color_system=None)
    render_terminal(loaded.records, console)
    pages: dict[str, str] = {form: render(form, loaded.records) for form in FORMS}  # type: ignore[arg-type]
    pages["terminal"] = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (*pages.values(), *loaded.problems):
        assert text.replace("\n", "").isprintable()
    for problem in loaded.problems:
        assert problem.endswith(".")
        assert len(problem) < 1000
    actual = json.loads(pages["json"], parse_constant=pytest.fail)
    lines = actual["cells"]
    assert all(pair["evidence"]["interval"]["low"] <= pair["evidence"]["interval"]["high"] for pair in actual["pairs"])
    assert all(line["low"] <= line["mean"] <= line["high"] for line in lines if line["mean"] is not None)
    assert len(list(csv.DictReader(io.StringIO(pages["csv"])))) == len(lines)
    assert Tags(pages["html"]).names == PLAIN
    assert not any(line.startswith(("[", "*")) for line in pages["latex"].splitlines()), (
        "\\\\ would read it as its own argument"
    )
    assert not re.search(r"(?<!\\)[<]", pages["markdown"].partition("\n")[2])
    written = write_leaderboards(folder)
    assert {path.parent for path in written} <= {folder / "leaderboard"}
    assert stale_leaderboards(folder) == []
    return pages


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_hostile_text_is_shown_as_text(data: st.DataObject) -> None:
    record = plain(
        make_record("beta", learner="proto", options={"a": "b"}, status=data.draw(st.sampled_from(["ok", "failed"])))
    )
    paths = [p for p in leaves(record) if isinstance(at(record, p), str) and p[-1] not in UNCHANGED]
    for index in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=6)):
        put(record, index, data.draw(STRINGS))
    with results() as folder:
        (folder / "bad.json").write_text(json.dumps(resealed(record)))
        loaded = load_records(folder)
        assert len(loaded.records) + len(loaded.problems) == 2
        assert make_record() in loaded.records
        rendered(folder)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_hostile_value_is_reported_in_at_most_one_sentence(data: st.DataObject) -> None:
    record = plain(make_record("beta", learner="proto", options={"a": 1}))
    location = data.draw(st.sampled_from(list(leaves(record))))
    put(record, location, data.draw(VALUES))
    with results() as folder:
        (folder / "bad.json").write_text(json.dumps(resealed(record)))
        loaded = load_records(folder)
        assert len(loaded.records) + len(loaded.problems) == 2
        assert make_record() in loaded.records
        rendered(folder)


@settings(deadline=None, max_examples=60)
@given(
    st.binary(max_size=200)
    | st.builds(lambda cut: make_record().model_dump_json().encode()[:cut], st.integers(0, 1200))
)
def test_arbitrary_bytes_are_reported_in_one_sentence(content: bytes) -> None:
    with results() as folder:
        (folder / "bad.json").write_bytes(content)
        loaded = load_records(folder)
        assert loaded.records == (make_record(),)
        assert len(loaded.problems) == 1
        assert "bad.json" in loaded.problems[0]


def _text(content: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(200 * 10**6)


def changed(path: Sequence[Any], value: Any) -> dict[str, Any]:
    record = plain(make_record())
    put(record, path, value)
    return record


GOOD = make_record().model_dump_json()
COUNT = '"test_evaluations":0'
NO_NUMBER = json.dumps(changed(("spec", "method", "options"), {"a": float("nan")}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_sparse, "cannot be read (it has 200,000,000 bytes, and at most 67,108,864 are read)."),
        (os.mkfifo, "cannot be read (it is not a regular file). Delete it or run its cell again."),
        (lambda path: path.symlink_to("nowhere"), "cannot be read ([Errno 2] No such file"),
        (lambda path: path.symlink_to(path.name), "cannot be read ([Errno 40] Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot be read (it is not a regular file)."),
        (_text(b"\xff\xfe{"), "cannot be read ('utf-8' codec can't decode"),
        (_text("\ufeff" + GOOD), "is not a valid record (record: Invalid JSON"),
        (_text("[" * 100_000), "is not a valid record (record: Invalid JSON: recursion limit exceeded"),
        (_text('{"a":' * 100_000), "is not a valid record (record: Invalid JSON: recursion limit exceeded"),
        (_text(GOOD[: len(GOOD) // 2]), "is not a valid record (record: Invalid JSON: EOF"),
        (_text(GOOD.replace("vit-toy", "\\ud800")), "is not a valid record (record: Invalid JSON: "),
        (_text(GOOD.replace('"schema_version":2', '"schema_version":3')), "Update FreeShot, or run its cell again."),
        (_text(GOOD.replace('"schema_version":2', '"schema_version":0')), "Read it with the FreeShot that wrote it,"),
        (_text(GOOD.replace('"schema_version":2', f'"schema_version":{"9" * 5000}')), "(record: Invalid JSON: number"),
        (_text(GOOD.replace(COUNT, '"\x1b[2J":0')), "is not a valid record (record: Invalid JSON: control char"),
        (_text(GOOD.replace(COUNT, '"\\u001b[2J":0')), "is not a valid record ([2J: Extra inputs"),
        (_text(NO_NUMBER), "are not JSON compliant"),
        (_text(GOOD.replace('"cell":"', '"cell":"0')), "the cell's hash does not match its spec"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_and_the_rest_is_shown(make: Callable[[Path], object], message: str) -> None:
    with results() as folder:
        make(folder / "bad.json")
        loaded = load_records(folder)
        assert loaded.records == (make_record(),)
        (problem,) = loaded.problems
        assert message in problem
        assert problem.startswith(str(folder / "bad.json"))
        rendered(folder)


def test_a_folder_that_is_called_like_a_record_is_a_folder() -> None:
    with results() as folder:
        make_record("beta").write(folder / "x.json" / "y.json")
        loaded = load_records(folder)
        assert (len(loaded.records), loaded.problems) == (2, ())


def test_a_link_to_a_record_is_that_record() -> None:
    with results() as folder:
        (folder / "again.json").symlink_to(folder / "good.json")
        assert load_records(folder).records == (make_record(),)


def test_of_a_duplicate_key_the_last_value_counts_as_in_every_json_parser() -> None:
    with results() as folder:
        (folder / "good.json").write_text(GOOD.replace(COUNT, '"test_evaluations":0,"test_evaluations":3'))
        assert [record.test_evaluations for record in load_records(folder).records] == [3]


def test_a_file_name_that_is_not_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\x1b[2J.json")).write_text("{")
    (problem,) = load_records(tmp_path).problems
    assert problem.isprintable()


def test_a_million_episodes_are_rendered() -> None:
    with results() as folder:
        record = plain(make_record("beta", track="in-domain/many/5w1s"))
        record["spec"]["track"]["episodes"] = 10**6
        record["accuracies"] = [0.25, 0.75] * (10**6 // 2)
        record["interval"] = {"mean": 0.5, "low": 0.4995, "high": 0.5005, "level": 0.95, "covers": "episodes"}
        text = json.dumps(resealed(record), indent=1)
        assert len(text) < LARGEST
        (folder / "many.json").write_text(text)
        assert load_records(folder).problems == ()
        (many,) = (r for r in load_records(folder).records if r.spec.method.name == "beta")
        (row,) = json.loads(render("json", [many]))["cells"]
        assert (row["episodes"], row["mean"]) == (10**6, 0.5)


@settings(deadline=None, max_examples=5)
@given(st.randoms(use_true_random=False), st.lists(STRINGS, min_size=4, max_size=4))
def test_neither_the_order_nor_the_names_of_files_matter(rng: random.Random, suites: list[str]) -> None:
    records = [
        make_record(method, track, 0.5 + 0.1 * i, seed=seed, suite=suites[i], phase=2 * (i % 2))
        for i, method in enumerate(("alpha", "beta", "gamma", "alpha"))
        for track in ("in-domain/sketch/5w1s", "in-domain/icons/5w1s")
        for seed in (0, 1)
    ]
    pages = []
    for _ in range(2):
        with results() as folder:
            names = list(range(len(records)))
            rng.shuffle(names)
            for name, record in zip(names, records, strict=True):
                record.write(folder / str(name % 3) / f"{name}.json")
            pages.append(rendered(folder) | {p.name: p.read_text() for p in (folder / "leaderboard").iterdir()})
            actual = load_records(folder).records
            mixed = rng.sample(actual, len(actual))
            pages.append({form: render(form, mixed) for form in FORMS})  # type: ignore[arg-type]
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]
    assert pages[1].items() <= pages[0].items()


BAD_NAMES = ["../../x", "/etc/x", "..", ".", "a/../../b", ".hidden", "a\\..\\b", "a\x00b", "C:\\x", "a//b", "a\nb"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("level", ["suite", "track", "method"])
def test_no_name_leads_out_of_the_folder(name: str, level: str, tmp_path: Path) -> None:
    record = make_record()
    update: dict[str, Any] = {"suite": name}
    if level != "suite":
        update = {level: getattr(record.spec, level).model_copy(update={"name": name})}
    spec = record.spec.model_copy(update=update)
    record = record.model_copy(update={"spec": spec, "cell": spec.cell})
    out = tmp_path / "deep" / "out"
    with pytest.raises(StoreError, match=r"cannot be stored: .* is not a valid file name\."):
        pack_records([make_record(), record], out)
    with pytest.raises(StoreError):
        record_path(out, spec)
    assert list(tmp_path.rglob("*")) == []


def test_a_long_name_of_a_suite_does_not_affect_the_others(tmp_path: Path) -> None:
    make_record().write(tmp_path / "a.json")
    make_record(suite="x" * 5000).write(tmp_path / "b.json")
    assert len(write_leaderboards(tmp_path)) == 3


def test_seconds_and_bytes_of_any_size_are_added_up(tmp_path: Path) -> None:
    record = plain(make_record())
    for stage in record["stages"]:
        stage |= {"seconds": 1e12, "peak_bytes": 2**63 - 1}
    (tmp_path / "a.json").write_text(json.dumps(record))
    rendered(tmp_path)
