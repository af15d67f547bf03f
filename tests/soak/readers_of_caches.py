"""Readers of FreeShot's own caches, which a failing disk or a third party may have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from tests.soak.damaging import Folder
from tests.soak.reader import Reader

from freeshot.cache import pixels as decoded
from freeshot.cache.admin import list_items
from freeshot.cache.artifacts import Artifact, Artifacts
from freeshot.cache.checkpoints import FileCheckpoint
from freeshot.data.hash_cache import content_hashes
from freeshot.ops.optimizer_state import restore, snapshot
from freeshot.testing.toy import ToyImages


def readers(folder: Path) -> Iterator[Reader]:
    """Write valid files into a folder, and yield their readers."""
    yield from _states(folder)
    yield from _artifacts(folder)
    yield from _pixels(folder)
    hashes = folder / "hashes.json"
    file = folder / "file"
    file.write_bytes(b"x")
    content_hashes([file], hashes)
    good = content_hashes([file], None)

    def hash_again() -> None:
        assert content_hashes([file], hashes) == good

    yield Reader("remembered hashes", hashes, hash_again)
    cache = folder / "cache"
    for name in ("artifacts/inversion/0123456789abcdef/card.json", "pixels/0123456789abcdef/card.json"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_text("{}")
    (cache / "cells").mkdir()
    (cache / "cells" / "0123456789abcdef.safetensors").write_text("x")
    yield Reader("caches as folders", cache, lambda: list_items(cache), damage=Folder(cache).damage)


def _states(folder: Path) -> Iterator[Reader]:
    file = folder / "state.safetensors"
    weights = [torch.rand(3, 4).requires_grad_()]
    optimizer = torch.optim.Adam(weights)
    torch.autograd.backward(weights[0].sum())
    optimizer.step()
    rng = torch.Generator().manual_seed(0)
    good = snapshot(3, weights, optimizer, rng)
    FileCheckpoint(file, every=-1).offer(lambda: good)

    def resume() -> None:
        state = FileCheckpoint(file).load()
        assert restore(state, weights, optimizer, rng) in (0, 3)
        if state is not None:
            require_equal(state, good)

    resume()
    yield Reader("states of interrupted work", file, resume)


def _artifacts(folder: Path) -> Iterator[Reader]:
    """Artifacts of stages: features and surrogate images."""
    rng = torch.Generator().manual_seed(0)
    kept = {
        "features": {"features": torch.rand(20, 8, generator=rng)},
        "surrogate sets": {
            "images": torch.rand(4, 3, 8, 8, generator=rng),
            "labels": torch.arange(4),
            "logits": torch.rand(4, 4, generator=rng),
            "mirrored": torch.rand(4, 4, generator=rng),
            "kept": torch.arange(4).view(4, 1),
        },
    }
    for name, tensors in kept.items():
        artifacts = Artifacts(folder / name)
        artifact = Artifact(tensors, {"teacher_accuracy": 0.5, "images": 4}, 1.5, 2, 3)
        artifacts.save("stage", {"a": 1}, artifact)
        (card,) = (folder / name).rglob("card.json")
        restore_good = _restoring(card.parent)

        def load(artifacts: Artifacts = artifacts, artifact: Artifact = artifact, folder: Path = card.parent) -> None:
            actual = artifacts.load("stage", {"a": 1})
            folder.mkdir(exist_ok=True)  # a damaged artifact is removed
            if actual is not None:
                require_equal(actual.tensors, artifact.tensors)
                assert actual.facts == artifact.facts

        for file in ("tensors.safetensors", "card.json"):
            yield Reader(f"{name} in the cache, {file}", card.parent / file, load, restore_good(file))


def _restoring(folder: Path) -> Callable[[str], Callable[[], None]]:
    """Return a function that restores all files of a folder but one."""
    good = {path.name: path.read_bytes() for path in folder.iterdir()}

    def except_for(changed: str) -> Callable[[], None]:
        def again() -> None:
            for name, content in good.items():
                if name != changed:
                    (folder / name).write_bytes(content)

        return again

    return except_for


def _pixels(folder: Path) -> Iterator[Reader]:
    images, root = ToyImages((0, 1)), folder / "pixels"
    shown = images.read(range(len(images)))

    def read() -> None:
        worth, decoded.WORTH = decoded.WORTH, 0
        try:
            again = decoded.decoded(images, "toy", "novel", root)
        finally:
            decoded.WORTH = worth
        assert torch.equal(again.read(range(len(images))), shown)

    read()
    (location,) = (path for path in root.iterdir() if path.is_dir())  # the lock is beside it
    restoring = _restoring(location)
    for name in sorted(path.name for path in location.iterdir()):
        yield Reader(f"decoded pixels, {name}", location / name, read, restoring(name))


def require_equal(actual: Mapping[str, torch.Tensor], good: Mapping[str, torch.Tensor]) -> None:
    """Require that tensors read as valid equal those written."""
    assert actual.keys() == good.keys()
    assert all(torch.equal(actual[name], good[name]) for name in good)
