"""Every reader of third-party files, each with a valid file to start from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.soak import readers_of_caches, readers_of_data, readers_of_loras
from tests.soak.reader import Reader

from freeshot.cache.artifacts import Artifact, Artifacts
from freeshot.contracts.component import build
from freeshot.data.decode import thumbnail
from freeshot.data.image_folder import open_pictures
from freeshot.launch.event_log import EventLogReader
from freeshot.launch.request import MethodChoice, RunRequest
from freeshot.launch.run_file import read_run_file, run_file_text
from freeshot.pool import ADAPTER_CARD
from freeshot.pool.cards import read_adapter_card
from freeshot.pool.external_formats import read_lora
from freeshot.pool.store import open_pool
from freeshot.records.models import RunRecord
from freeshot.records.predictions import CellPredictions
from freeshot.testing import toy
from freeshot_lora_recycle.inversion import LoraInversion

GOLDEN = Path(__file__).parents[1] / "records/golden_record.json"


def readers(folder: Path) -> Iterator[Reader]:
    """Write valid files into a folder, and yield their readers."""
    record = folder / "record.json"
    shutil.copy(GOLDEN, record)
    yield Reader("records", record, lambda: RunRecord.read(record))
    yield from _pools(folder)
    yield from _peft(folder)
    yield from _pictures(folder)
    yield from _own(folder)
    yield from _runs(folder)
    for more in (readers_of_data, readers_of_loras, readers_of_caches):
        inner = folder / more.__name__.rpartition(".")[2]
        inner.mkdir()
        yield from more.readers(inner)


def _pools(folder: Path) -> Iterator[Reader]:
    pool = folder / "pool"
    shutil.copytree(toy.POOL, pool)
    card = json.loads((pool / "pool.json").read_text())
    tensors = pool / card["loras"][0]["name"] / "adapter_model.safetensors"

    def state_hash() -> None:
        card["loras"][0]["sha256"][tensors.name] = hashlib.sha256(tensors.read_bytes()).hexdigest()
        (pool / "pool.json").write_text(json.dumps(card))

    yield Reader("pool cards", pool / "pool.json", lambda: open_pool(pool))
    yield Reader("LoRAs of a pool", tensors, lambda: open_pool(pool), state_hash)


def _peft(folder: Path) -> Iterator[Reader]:
    lora = folder / "lora"
    lora.mkdir()
    layer = "base_model.model.blocks.0.attn.qkv"
    save_file(
        {
            f"{layer}.lora_A.weight": torch.rand(2, 24),
            f"{layer}.lora_B.weight": torch.rand(72, 2),
            "base_model.model.head.weight": torch.rand(5, 24),
            "base_model.model.head.bias": torch.rand(5),
        },
        lora / "adapter_model.safetensors",
    )
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ["qkv"], "base_model_name_or_path": "x"}
    (lora / "adapter_config.json").write_text(json.dumps(config))
    (lora / "labels.json").write_text(json.dumps(["a", "b", "c", "d", "e"]))
    read_lora(lora, folder)  # it is valid
    for name in ("adapter_model.safetensors", "adapter_config.json", "labels.json"):
        yield Reader(f"PEFT's {name}", lora / name, lambda: read_lora(lora, folder))
    adapter = folder / "adapter"
    adapter.mkdir()
    card = {"format": 1, "backbone": "x", "backbone_sha256": "0", "rank": 1, "rows": {}, "sha256": "0", "facts": {}}
    (adapter / ADAPTER_CARD).write_text(json.dumps(card))
    yield Reader("cards of adapters", adapter / ADAPTER_CARD, lambda: read_adapter_card(adapter))


def _pictures(folder: Path) -> Iterator[Reader]:
    for ending in ("png", "jpg", "gif", "webp", "bmp", "tif"):
        file = folder / f"picture.{ending}"
        Image.effect_noise((24, 24), 50).convert("RGB").save(file)
        pictures = open_pictures(file, 16)
        yield Reader(f"pictures, {ending}", file, lambda pictures=pictures: pictures.read([0]))  # type: ignore[misc]
        yield Reader(f"thumbnails, {ending}", file, lambda file=file: thumbnail(file, 8))  # type: ignore[misc]


def _runs(folder: Path) -> Iterator[Reader]:
    """Run files of users, and predictions that a run writes."""
    file = folder / "run.toml"
    choices = (MethodChoice.of("free", {"iterations": 200, "learner": {"pace": 0.5}}), "lora-recycle")
    request = RunRequest("pocket", None, ("*/5w1s",), choices, ("flip=true",), launcher_options=("workers=2",))
    file.write_text(run_file_text(request))
    yield Reader("run files", file, lambda: read_run_file(file))
    small = np.zeros((2, 3), dtype=np.int16)
    numbers, probabilities = np.arange(2), np.zeros((2, 3, 2), dtype=np.float16)
    saved = folder / "predictions.npz"
    images, classes = small.astype(np.int64), np.eye(2, dtype=np.int32)
    CellPredictions("0", ("a", "b"), numbers, classes, images, small, small, probabilities).write(saved)
    yield Reader("predictions", saved, lambda: CellPredictions.read(saved))


def _own(folder: Path) -> Iterator[Reader]:
    """Files of FreeShot itself, which a killed process may have left damaged."""
    artifacts = Artifacts(folder / "artifacts")
    artifacts.save("stage", {"a": 1}, Artifact({"x": torch.rand(3)}, {"loss": 1.0}))
    (card,) = (folder / "artifacts").rglob("card.json")
    good = {path.name: path.read_bytes() for path in card.parent.iterdir()}

    def restore() -> None:
        for name, content in good.items():
            if name != card.name:
                (card.parent / name).write_bytes(content)

    def load() -> None:
        try:
            artifacts.load("stage", {"a": 1})
        finally:
            card.parent.mkdir(exist_ok=True)  # a damaged artifact is removed

    yield Reader("cards of artifacts", card, load, restore)
    events = folder / "mail" / "cell.jsonl"
    events.parent.mkdir()
    events.write_text('{"kind": "Progress", "cell": "a", "stage": "b", "done": 1, "total": 2}\n' * 3)
    yield Reader("events of other processes", events, lambda: EventLogReader(events.parent).fetch())
    options = folder / "options.txt"
    options.write_text("iterations=50\nlr=0.1\nflip=true\nbetas=0.5,0.9\nschedule=cosine\nprior=none")

    def set_options() -> None:
        lines = options.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        build(LoraInversion, {key: value for key, _, value in (line.partition("=") for line in lines)})

    yield Reader("options", options, set_options)
