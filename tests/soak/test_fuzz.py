"""Some hundred invalid files for every reader, on every run; `make soak` uses ten thousand."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from tests.soak.fuzz import fuzzed
from tests.soak.mutations import mutated
from tests.soak.reader import Reader
from tests.soak.readers import readers

from freeshot.basics.errors import StoreError

COUNT = 150


def test_every_reader_refuses_or_reads_invalid_files(tmp_path: Path) -> None:
    for reader in readers(tmp_path):
        counts = fuzzed(reader, tmp_path, COUNT, seed=1)
        assert set(counts) <= {"read", "refused"}, (reader.name, counts)
        assert counts.total() == COUNT


def test_mutations_change_most_files_and_are_reproducible_by_their_seed() -> None:
    good = b'{"a": [1, 2, 3]}' * 20
    once, again = ([mutated(good, rng) for _ in range(100)] for rng in (random.Random(3), random.Random(3)))
    assert once == again
    assert sum(content != good for content in once) > 90


def failing(folder: Path, error: BaseException | None = None) -> Reader:
    file = folder / "file"
    file.write_bytes(b"good" * 10)

    def read() -> None:
        if error is not None and file.read_bytes() != b"good" * 10:
            raise error
        (folder.parent / "outside").write_text("x")

    return Reader("stumbling", file, read)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (KeyError("a"), "KeyError: 'a'"),
        (StoreError(" "), "not one sentence"),
        (None, "wrote"),
    ],
)
def test_faults_are_counted(tmp_path: Path, error: BaseException | None, fault: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    counts: Counter[str] = fuzzed(failing(folder, error), folder, 20)
    assert any(name.startswith(fault) for name in counts), counts
