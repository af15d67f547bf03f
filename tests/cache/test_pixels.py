"""Pixels from the cache are those of the data set, bit by bit, even if its files were damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from freeshot.basics.errors import DataError, StoreError
from freeshot.cache import pixels as module
from freeshot.cache.pixels import Decoded, decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


class Counted:
    """Forty pictures that count how often they are decoded."""

    def __init__(self, sha256: str = "a", odd: int | None = None) -> None:
        self.sha256, self.classes = sha256, ("one", "two")
        self.pixels = torch.randint(0, 256, (40, 3, 6, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
        self.decoded, self.odd = 0, odd

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat([0, 1], 20)

    def __len__(self) -> int:
        return 40

    def read(self, indices: Sequence[int]) -> Tensor:
        self.decoded += len(indices)
        if self.odd in indices:
            return torch.zeros(len(indices), 3, 5, 5, dtype=torch.uint8)
        return self.pixels[list(indices)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache sets of any size, in blocks of seven images."""
    monkeypatch.setattr(module, "WORTH", 0)
    monkeypatch.setattr(module, "BLOCK", 7 * 3 * 36)


def opened(images: Counted, root: Path) -> Decoded:
    actual = decoded(images, "dots", "novel", root)
    assert isinstance(actual, Decoded)
    return actual


def test_images_are_decoded_once_and_never_change(tmp_path: Path) -> None:
    first = Counted()
    cached = opened(first, tmp_path)
    assert torch.equal(cached.read([3, 39, 0, 3]), first.pixels[[3, 39, 0, 3]])
    assert (cached.sha256, cached.classes, len(cached)) == (first.sha256, first.classes, 40)
    assert np.array_equal(cached.labels, first.labels)
    second = Counted()
    assert torch.equal(opened(second, tmp_path).read(range(40)), first.pixels)
    assert second.decoded == 1  # the first, for its size


def test_a_read_returns_a_copy(tmp_path: Path) -> None:
    cached = opened(Counted(), tmp_path)
    cached.read([0]).zero_()
    assert cached.read([0]).any()


def test_small_sets_are_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH", 40 * 3 * 36 + 1)
    images = Counted()
    assert decoded(images, "dots", "novel", tmp_path / "cache") is images
    assert not (tmp_path / "cache").exists()


def test_a_disk_without_room_does_not_fail_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = Counted()
    monkeypatch.setattr(module, "_room", lambda root: 0)
    assert decoded(images, "dots", "novel", tmp_path) is images


def test_a_disk_that_fills_at_the_last_file_does_not_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise StoreError("No space is left on the disk.")

    monkeypatch.setattr(module, "write_text", full)
    assert not isinstance(decoded(Counted(), "dots", "novel", tmp_path), Decoded)


def test_images_that_another_process_decoded_are_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Counted(), Counted()
    opened(first, tmp_path)
    sound = module._is_sound
    checks: list[bool] = []

    def at_first_absent(folder: Path, facts: dict[str, object]) -> bool:
        checks.append(sound(folder, facts))
        return len(checks) > 1 and checks[-1]

    monkeypatch.setattr(module, "_is_sound", at_first_absent)
    opened(second, tmp_path)
    assert second.decoded == 1  # the image that is read for its shape
    assert checks == [True, True]


def test_a_folder_that_cannot_be_written_does_not_fail_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    images = Counted()
    assert decoded(images, "dots", "novel", tmp_path / "file" / "pixels") is images


@pytest.mark.parametrize("sha256", ["a", "b"])
def test_other_images_have_a_cache_of_their_own(tmp_path: Path, sha256: str) -> None:
    assert (opened(Counted(), tmp_path).folder == opened(Counted(sha256), tmp_path).folder) == (sha256 == "a")


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("at", range(-40 * 108, 0, 331))
def test_a_changed_pixel_is_never_returned(tmp_path: Path, at: int) -> None:
    images = Counted()
    cached = opened(images, tmp_path)
    flip(cached.folder / "pixels.u8", at)
    assert torch.equal(cached.read(range(40)), images.pixels)
    assert torch.equal(opened(images, tmp_path).read(range(40)), images.pixels)


@pytest.mark.parametrize("name", ["pixels.u8", "checks.u32", "card.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "changed", "empty"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    images = Counted()
    path = opened(images, tmp_path).folder / name
    if damage == "gone":
        path.unlink()
    elif damage == "changed":
        flip(path, 0 if name == "card.json" else -1)
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:-30])
    again = opened(images, tmp_path)
    assert torch.equal(again.read(range(40)), images.pixels)
    assert module._is_sound(again.folder, json.loads((again.folder / "card.json").read_text())["facts"])


def test_a_cache_that_is_pruned_while_in_use_only_costs_time(tmp_path: Path) -> None:
    images = Counted()
    cached = opened(images, tmp_path)
    (cached.folder / "pixels.u8").unlink()
    assert torch.equal(cached.read([1]), images.pixels[[1]])


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        decoded(Counted(odd=30), "dots", "novel", tmp_path)
    assert str(caught.value) == (
        "'dots' gave images of [3, 5, 5] after one of [3, 6, 6]. A data set must return all images at one size, "
        "as uint8."
    )
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


PROGRAM = """
import sys
from pathlib import Path
import torch
from freeshot.cache import pixels as module

class Large:
    sha256, classes, labels = "large", ("one",), [0] * 2000
    def __len__(self): return 2000
    def read(self, indices): return torch.full((len(indices), 3, 224, 224), 7, dtype=torch.uint8)

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) // 1024

module.WORTH, module.BLOCK = 0, 8 * 2**20
images = Large()
images.read(list(range(16)))
before = peak()
cached = module.decoded(images, "large", "novel", Path(sys.argv[1]))
for start in range(0, 2000, 16):
    assert cached.read(list(range(start, min(start + 16, 2000)))).float().mean() == 7
print(type(cached).__name__, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux reports the peak memory of a process")
def test_writing_and_reading_300_megabytes_takes_a_few_blocks_of_memory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kind, megabytes = done.stdout.split()
    assert kind == "Decoded"
    assert int(megabytes) < 100
