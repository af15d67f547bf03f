"""`freeshot cache` lists what is stored and removes what is requested."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

NAME = "0123456789abcdef"
DAY = 86400


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for kind, size, days in (("artifacts/inversion", 2_500_000, 40), ("pixels", 900, 0)):
        folder = tmp_path / kind / NAME
        folder.mkdir(parents=True)
        (folder / "card.json").write_bytes(b"x" * size)
        for path in (folder / "card.json", folder):
            os.utime(path, (time.time() - days * DAY,) * 2)
    return tmp_path


def test_a_cache_is_listed_by_kind(call: Call, cache: Path) -> None:
    lines = call("cache", "list", "--cache", str(cache)).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["kind", "count", "size", "last", "used"],
        ["inversion", "1", "2.5", "MB", "40", "days", "ago"],
        ["pixels", "1", "900", "B", "just", "now"],
    ]


def test_a_dry_run_removes_nothing(call: Call, cache: Path) -> None:
    done = call("cache", "prune", "--cache", str(cache), "--older-than", "30d", "--dry-run")
    assert done.stdout.splitlines()[-1] == "2.5 MB would be deleted."
    assert (cache / "artifacts" / "inversion" / NAME).exists()


def test_old_entries_are_removed(call: Call, cache: Path) -> None:
    done = call("cache", "prune", "--cache", str(cache), "--older-than", "30d")
    assert done.stdout.splitlines()[-1] == "2.5 MB deleted."
    assert not (cache / "artifacts" / "inversion" / NAME).exists()
    assert (
        call("cache", "prune", "--cache", str(cache), "--older-than", "30d").stdout == "No cached result is that old.\n"
    )
    call("cache", "prune", "--cache", str(cache), "--kind", "pixels")
    assert call("cache", "list", "--cache", str(cache)).stdout == f"The cache {cache} is empty.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Error: Select what to delete with --older-than 30d, --kind NAME, or both. Nothing was removed."),
        (("--older-than", "old"), "Error: Invalid age 'old': expected"),
        (("--kind", "pictures"), "Error: The cache holds no 'pictures'. It holds: inversion, pixels."),
    ],
)
def test_an_invalid_request_is_an_error(call: Call, cache: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = call("cache", "prune", "--cache", str(cache), *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr
