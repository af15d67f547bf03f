"""Splits are disjoint, whatever file or shares they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeshot.basics.errors import DataError
from freeshot.data import csv_file as tables
from freeshot.data.csv_file import read_table
from freeshot.data.splits import Split, drawn_split, read_split, require_known

FUZZ = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = '{"source": "me", "base": ["cat"], "validation": [], "novel": ["fox", "emu"]}'
CSV = "label,split\ncat,base\nfox,novel\nemu,novel\ncat,base\n"


@pytest.mark.parametrize(("name", "text"), [("s.json", JSON), ("s.csv", CSV), ("s.CSV", "\ufeff" + CSV)])
def test_a_split_is_read_from_either_sort_of_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    split = read_split(tmp_path / name)
    assert split.base == ("cat",)
    assert split.validation == ()
    assert set(split.novel) == {"fox", "emu"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("s.json", "{", r"s\.json is not a valid split file \(Invalid JSON: .*\)\. It looks like"),
        ("s.json", "[" * 100_000, "is not a valid split file .Invalid JSON"),
        ("s.json", "[]", r"s\.json is not a valid split file \(Input should be an object"),
        ("s.json", '{"novel": [1]}', r"s\.json is not a valid split file \(novel\.0: .*\)\. It looks like"),
        ("s.json", '{"novel": [""]}', r"s\.json is not a valid split file \(novel\.0: .*\)\. It looks like"),
        ("s.json", '{"base": ["cat"]}', "names no novel class"),
        ("s.json", '{"base": ["cat"], "novel": ["cat"]}', "names the class 'cat' twice"),
        ("s.csv", "", "has no column 'label'. Its first line must name label, split, and names nothing"),
        ("s.csv", "name,split\n", "has no column 'label'.* and names name, split"),
        ("s.csv", "label,split\n", "has no line below its head"),
        ("s.csv", "label,split\ncat\n", "Line 2 of .* has no split"),
        ("s.csv", "label,split\ncat,train\n", "puts 'cat' into the split 'train'. Expected base, validation, novel"),
        ("s.csv", "label,split\ncat,base\ncat,novel\n", "puts 'cat' into base and novel"),
        ("s.csv", 'label,split\n"cat,base\n', "is not valid CSV"),
        ("s.csv", "label,split\n" + "x" * 200_000 + ",base\n", "is not valid CSV"),
    ],
)
def test_an_invalid_split_file_is_explained_in_one_sentence(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=why):
        read_split(tmp_path / name)


def test_a_binary_file_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(b"label,split\n\xff\xfe,base\n")
    with pytest.raises(DataError, match=r"is not UTF-8 text\. Save it as UTF-8\."):
        read_split(tmp_path / "s.csv")
    with pytest.raises(DataError, match=r"gone\.json cannot be read \(No such file or directory\)"):
        read_split(tmp_path / "gone.json")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 9)
    monkeypatch.setattr(tables, "MOST", 5)
    with pytest.raises(DataError, match="has more than 5 lines"):
        read_table(tmp_path / "t.csv", ("a",))
    with pytest.raises(DataError, match=r"it has 20 bytes, and at most 3 are read"):
        tables.read_text(tmp_path / "t.csv", 3)


@given(count=st.integers(1, 200), seed=st.integers(0, 10**6), first=st.floats(0, 0.9), second=st.floats(0, 0.9))
@settings(deadline=None)
def test_shares_assign_every_class_to_one_split(count: int, seed: int, first: float, second: float) -> None:
    shares = (first, (1 - first) * second, (1 - first) * (1 - second))
    classes = [f"c{number}" for number in range(count)]
    if round((shares[0] + shares[1]) * count) >= count:
        return
    split = drawn_split(classes, shares, seed)
    assert sorted(split.classes) == sorted(classes)
    assert abs(len(split.base) - shares[0] * count) <= 0.5 + 1e-9
    assert split == drawn_split(classes[::-1], shares, seed)


def test_a_seed_decides_the_split() -> None:
    classes = [f"c{number}" for number in range(30)]
    assert drawn_split(classes, (0.5, 0.2, 0.3), 0) != drawn_split(classes, (0.5, 0.2, 0.3), 1)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.2, 0.2), (-0.5, 1, 0.5), (float("nan"), 0.5, 0.5)])
def test_invalid_shares_are_errors(shares: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match=r"are not a valid split\. Give three numbers with sum 1"):
        drawn_split(["a", "b"], shares, 0)


@pytest.mark.parametrize(("shares", "novel"), [((0.9, 0.1, 0), 0), ((0.6, 0.2, 0.2), 2)])
def test_shares_that_leave_too_few_novel_classes_are_errors(shares: tuple[float, ...], novel: int) -> None:
    with pytest.raises(DataError) as caught:
        drawn_split([f"c{number}" for number in range(12)], shares, 0, way=5)
    given = ",".join(map(str, shares))
    assert str(caught.value) == (
        f"A task draws 5 classes, but the shares {given} make only {novel} of 12 novel. Give novel a larger share, "
        "such as --shares 0,0,1, or choose a smaller way."
    )
    assert len(drawn_split([f"c{number}" for number in range(12)], (0, 0, 1), 0, way=5).novel) == 12


def test_no_shares_are_advised_where_classes_are_too_few_for_any() -> None:
    with pytest.raises(DataError) as caught:
        drawn_split(["a", "b"], (0, 0, 1), 0, way=5)
    assert str(caught.value) == (
        "A task draws 5 classes, but there are pictures of only 2. Add classes, or choose a smaller way."
    )


def test_a_class_without_pictures_is_named() -> None:
    with pytest.raises(DataError, match="split file names the class 'emu' and 1 more, but data has no image of it"):
        require_known(Split(novel=("fox", "emu", "gnu")), ["fox"], "split file", "data")


def test_an_unknown_split_is_an_error() -> None:
    with pytest.raises(DataError, match=r"Unknown split 'train'\. Expected base, validation, novel"):
        Split().of("train")


@FUZZ
@given(data=st.data(), ending=st.sampled_from(["csv", "json"]))
def test_a_mutated_split_file_gives_a_split_or_an_error_of_one_line(
    tmp_path: Path, data: st.DataObject, ending: str
) -> None:
    content = bytearray((JSON if ending == "json" else CSV).encode())
    for index, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=5)
    ):
        content[index] = value
    path = tmp_path / f"s.{ending}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        split = read_split(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert len(set(split.classes)) == len(split.classes)


@FUZZ
@given(content=st.recursive(st.none() | st.text(max_size=3) | st.integers(), lambda c: st.lists(c, max_size=3)))
def test_json_of_any_shape_gives_a_split_or_an_error_of_one_line(tmp_path: Path, content: object) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"base": content, "novel": ["fox"]}))
    try:
        assert "fox" in read_split(tmp_path / "s.json").novel
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
