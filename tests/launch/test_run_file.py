"""A run file holds the arguments of a run, is read strictly, and is written beside the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeshot.basics.errors import OptionError
from freeshot.launch.request import MethodChoice, RunRequest
from freeshot.launch.run_file import read_run_file, run_file_text, save_run_file


def read(folder: Path, text: str) -> dict[str, Any]:
    file = folder / "run.toml"
    file.write_text(text, encoding="utf-8")
    return read_run_file(file)


def test_each_key_is_an_argument_of_the_run(tmp_path: Path) -> None:
    text = """
        suite = "pocket"
        profile = "quick"
        tracks = "in-domain/*"
        seeds = 3
        limit = 20
        precision = "auto"
        results = "mine"
        save_predictions = true
        plugins = ["extra.py"]
        methods = ["frozen-prototype", {name = "free", iterations = 200, inversion.steps = 50}]

        [options]
        learner = "reptile"
        flip = true

        [launcher]
        name = "ray"
        workers = 2
    """
    assert read(tmp_path, text) == {
        "suite": "pocket",
        "profile": "quick",
        "tracks": ("in-domain/*",),
        "seeds": (3,),
        "limit": 20,
        "precision": "auto",
        "results": Path("mine"),
        "save_predictions": True,
        "plugins": (Path("extra.py"),),
        "methods": ("frozen-prototype", MethodChoice("free", (("inversion.steps", 50), ("iterations", 200)))),
        "options": ("learner=reptile", "flip=true"),
        "launcher": "ray",
        "launcher_options": ("workers=2",),
    }


@pytest.mark.parametrize("value", ['"free"', '["free"]', '{name = "free"}'])
def test_a_single_method_needs_no_list(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, f"methods = {value}") == {"methods": ("free",)}


def test_a_component_and_its_options_share_a_table(tmp_path: Path) -> None:
    read_methods = read(tmp_path, '[[methods]]\nname = "free"\nlearner = {name = "reptile", pace = 0.5}')["methods"]
    assert read_methods == (MethodChoice("free", (("learner", "reptile"), ("learner.pace", 0.5))),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("suite = \n", "is not valid TOML: Invalid value (at line 1, column 9). Correct it there."),
        ('suite = "a"\nsuite = "b"\nlimit = 1', "is not valid TOML: Cannot overwrite a value (at line 2, column 12)"),
        ("seeds = [1", "is not valid TOML: Unclosed array (at end of document). Correct it there."),
        ('trakcs = "a"', "No key of a run file is called 'trakcs'. Did you mean 'tracks'?"),
        ('seeds = "1"', "is not a valid run file (seeds.0: Input should be a valid integer). Correct that value."),
        ("seeds = true", "(seeds.0: Input should be a valid integer)"),
        ("seeds = 99999999999999999999", "(seeds.0: Input should be less than 9223372036854775808)"),
        ("limit = 0", "(limit: Input should be greater than or equal to 1)"),
        ('device = "tpu"', "(device: Input should be 'cpu', 'cuda' or 'auto')"),
        ("methods = [3]", "(methods.0: "),
        ("[[methods]]\niterations = 3", "(methods.0.name: Field required)"),
        ("launcher = {workers = 2}", "(launcher.name: Field required)"),
        ("[options]\nday = 2020-01-01", "Option 'day' cannot be a value of type date; expected text"),
        ("[options]\nx = 0x" + "f" * 5000, "Option 'x' cannot be a value of type int"),
        ('results = "a\\u0000b"', "(results: String should match pattern"),
        ("[options." + ".a" * 5000 + "]", "is not valid TOML"),
        ("options" + ".a" * 5000 + " = 1", "has tables that are nested too deeply"),
        ("options = " + "[" * 5000, "is not valid TOML: maximum recursion depth exceeded"),
    ],
)
def test_an_invalid_file_is_an_error_of_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(OptionError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "run.toml"))
    assert sentence in str(error.value)


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"suite = '\xff'")
    with pytest.raises(OptionError, match=r"run\.toml is not encoded in UTF-8\. Save it"):
        read_run_file(tmp_path / "run.toml")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot be read \(No such file or directory\)\. Use an existing run file"):
        read_run_file(tmp_path / "run.toml")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
NUMBER = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
KEY = st.text("abcz_-.é ", min_size=1).filter(lambda key: key != "name")
CHOICE = st.builds(MethodChoice.of, TEXT, st.dictionaries(KEY, TEXT | NUMBER | st.lists(TEXT | NUMBER), min_size=1))
PAIRS = st.dictionaries(KEY.filter(lambda key: "=" not in key), TEXT, max_size=3).map(
    lambda pairs: tuple(f"{key}={value}" for key, value in pairs.items())
)
SEEDS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(tuple)
REQUEST = st.builds(
    RunRequest,
    suite=st.none() | TEXT,
    tracks=st.lists(TEXT, max_size=3).map(tuple),
    methods=st.lists(TEXT | CHOICE, max_size=3).map(tuple),
    options=PAIRS,
    seeds=SEEDS,
    limit=st.none() | st.integers(1, 2**63 - 1),
    results=TEXT.map(Path),
    precision=st.sampled_from(["fp32", "bf16"]),
    launcher=TEXT,
    launcher_options=PAIRS,
    save_predictions=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(request=REQUEST)
def test_a_written_file_reads_as_the_same_request(
    tmp_path_factory: pytest.TempPathFactory, request: RunRequest
) -> None:
    assert RunRequest(**read(tmp_path_factory.getbasetemp(), run_file_text(request))) == request


def test_a_repeated_run_leaves_one_file(tmp_path: Path) -> None:
    request = RunRequest("pocket", results=tmp_path, limit=3)
    path = save_run_file(request)
    assert path is not None
    assert path.parent == tmp_path / "runs"
    assert save_run_file(RunRequest("pocket", results=tmp_path, limit=3, rerun=True)) == path
    assert RunRequest(**read_run_file(path)) == request
    assert save_run_file(RunRequest("pocket", results=tmp_path)) != path


def test_a_request_with_a_folder_that_is_not_utf8_is_not_written(tmp_path: Path) -> None:
    assert save_run_file(RunRequest("pocket", results=tmp_path, data=Path("\udcff"))) is None
