"""Build a pool: random few-way tasks from base classes, a LoRA and head tuned on each, stored as PEFT adapters."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from freeshot.basics.errors import PoolError, StoreError
from freeshot.basics.locked_work import run_under_locks
from freeshot.basics.seeds import derive
from freeshot.contracts.events import Progress, StageFinished, StageStarted
from freeshot.contracts.images import fitted
from freeshot.contracts.pool import LoraEntry, PoolPlan
from freeshot.data.lookup import dataset_by_name
from freeshot.engine.lora.bank import LoraBank, slots_of, widths_of
from freeshot.engine.metering.flops import flops_of
from freeshot.engine.vit.backbone import named_backbone
from freeshot.pool.cards import CARD
from freeshot.pool.store import is_as_noted, open_pool, write_card, write_entry
from freeshot.pool.train_loras import Tuned, TuningRecipe, TuningTask, tune

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from freeshot.contracts.events import Event
    from freeshot.contracts.images import Images
    from freeshot.contracts.pool import LoraPool
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import Host
    from freeshot.pool.train_loras import Penalize

HELD_OUT = 0.2
NOTES = ".block-*.json"
"""Notes of finished blocks, deleted when the pool is complete."""
LOCKS = ".locks"
ABSENT = (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError)
"""Exceptions raised when a note is missing or corrupt; it is then ignored."""


@dataclass(frozen=True)
class PoolRequest(PoolPlan):
    """The recipe of a pool and its output folder."""

    out: Path = Path()
    device: str = "cpu"
    data: Path | None = None


def build_pool(request: PoolRequest, catalogue: Catalogue, host: Host) -> LoraPool:
    """Tune the LoRAs, several at once, and return the pool opened from disk.

    An interrupted build resumes with the missing LoRAs; a finished pool is never overwritten. Processes that build the
    same pool simultaneously share its LoRAs by locks.
    """
    card = request.out / CARD
    if card.exists():
        raise PoolError(f"{request.out} already holds a pool. Choose another --out, or delete that folder first.")
    penalize = catalogue.lora_penalty(request.penalty[0]) if request.penalty else None
    backbone = named_backbone(catalogue, request.backbone, request.device)
    sources = {name: _base_images(catalogue, name, request, backbone.image_size) for name in request.sources}
    licenses = {name: dataset_by_name(catalogue, name).license for name in sources}
    license_note = "; ".join(f"{name}: {text or 'not stated'}" for name, text in licenses.items())
    recipe = TuningRecipe(**{name: getattr(request, name) for name in TuningRecipe.__dataclass_fields__})
    cell = f"pool {request.name}"
    began = time.monotonic()
    steps = request.count * recipe.steps
    _emit(host, StageStarted(cell, "tune", steps))
    blocks = _blocks(request)
    tuned = 0

    def lines_of(block: int, *, wait: bool) -> list[Any] | None:
        nonlocal tuned
        numbers = blocks[block]
        with _held(request.out, numbers, wait=wait) as ours:
            if not ours or card.exists():
                return None
            tell = _within(host, cell, numbers, request.count)
            lines = _tune_block(request, recipe, backbone, sources, numbers, tell, penalize)
            tuned += len(lines)
            _emit(host, Progress(cell, "tune", tuned * recipe.steps, steps))
            return lines

    written = run_under_locks(len(blocks), lines_of)
    with _held(request.out, range(0), wait=True) as ours:
        if ours and not card.exists():  # unless another process was first, with the same LoRAs
            lines = [line for block in range(len(blocks)) for line in written[block]]
            write_card(request.out, request.name, request.backbone, backbone.sha256, lines, license_note)
            for note in request.out.glob(NOTES):
                note.unlink(missing_ok=True)
    shutil.rmtree(request.out / LOCKS, ignore_errors=True)  # a process that still waits for a lock will find the card
    _emit(host, StageFinished(cell, "tune", time.monotonic() - began))
    return open_pool(request.out, backbone.sha256)


@contextmanager
def _held(out: Path, numbers: range, *, wait: bool) -> Iterator[bool]:
    """Acquire the lock of a block, or of the card if the block is empty; yields False if it is not available.

    The operating system releases the lock of a killed process.
    """
    from filelock import FileLock, Timeout

    try:
        (out / LOCKS).mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCKS / (f"block-{numbers[0]:03d}" if numbers else "card"))
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    except OSError as error:
        if (out / CARD).exists():  # finished by another process, which deleted the locks
            yield False
            return
        raise StoreError(f"The folder {out} cannot be written ({error.strerror}). Choose another --out.") from None
    try:
        yield True
    finally:
        lock.release()


def cost_of(plan: PoolPlan, backbone: Backbone) -> tuple[float, int]:
    """Count the floating-point operations and training images of tuning a pool.

    Evaluation on held-out images is not included, because their number depends on the data set.
    """
    slots = slots_of(backbone.vit, plan.targets)
    bank = LoraBank.fresh(backbone.vit, slots, plan.rank, 1, torch.Generator()).to(backbone.device)
    images = plan.count * plan.steps * plan.batch
    return images * flops_of(backbone, bank).executed, images


def _blocks(request: PoolRequest) -> list[range]:
    """Split the LoRAs into blocks that are tuned together."""
    step = request.at_once
    return [range(start, min(start + step, request.count)) for start in range(0, request.count, step)]


def _emit(host: Host, event: Event) -> None:
    """Send an event to all plugins; a plugin that raises causes a warning only."""
    list(host.results("freeshot_event", event=event))


def _within(host: Host, cell: str, numbers: Sequence[int], count: int) -> Callable[[int, int], None]:
    """Return a callback that reports a block's steps as steps of all `count` LoRAs, at most twice a second."""
    last = time.monotonic()

    def report(done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            _emit(host, Progress(cell, "tune", numbers[0] * of + len(numbers) * done, count * of))

    return report


def _tune_block(
    request: PoolRequest,
    recipe: TuningRecipe,
    backbone: Backbone,
    sources: dict[str, Images],
    numbers: Sequence[int],
    on_step: Callable[[int, int], None],
    penalize: Penalize | None,
) -> list[Any]:
    """Tune one block of LoRAs, or return the block's card lines if an earlier run wrote them."""
    import json

    from freeshot.basics.files import fingerprint, write_text

    wanted = fingerprint(
        {
            **asdict(recipe),
            "sources": [[name, sources[name].sha256] for name in request.sources],  # order matters
            "way": request.way,
            "backbone": backbone.sha256,
        }
    )
    done = request.out / f".block-{numbers[0]:03d}-{len(numbers)}-{wanted}.json"
    with suppress(*ABSENT):
        noted = list(json.loads(done.read_text(encoding="utf-8")))  # written when all its LoRAs were finished
        if all(is_as_noted(request.out, line) for line in noted):  # and not overwritten by another build since
            return noted
    tasks, classes = zip(*(_task(request, sources, number) for number in numbers), strict=True)
    tuned = tune(backbone, tasks, recipe, request.way, on_step, penalize)
    lines = []
    for index, (number, task) in enumerate(zip(numbers, tasks, strict=True)):
        entry = _entry(tuned, index, task, classes[index], recipe, request, number)
        widths = widths_of(backbone.vit, entry.factors)
        lines.append(write_entry(request.out / task.name, entry, request.backbone, widths))
    write_text(done, json.dumps(lines))
    return lines


def _task(request: PoolRequest, sources: dict[str, Images], number: int) -> tuple[TuningTask, list[tuple[str, int]]]:
    """Draw the task of one LoRA: its data set in turn, its classes at random, a fifth of each class held out."""
    dataset = request.sources[number % len(request.sources)]
    images = sources[dataset]
    rng = np.random.Generator(np.random.Philox(derive(request.seed, "pool task", number)))
    chosen = sorted(rng.choice(len(images.classes), size=request.way, replace=False).tolist())
    labels = np.asarray(images.labels)
    indices, ours, held = [], [], []
    for label, original in enumerate(chosen):
        members = rng.permutation(np.flatnonzero(labels == original))
        out = max(1, round(HELD_OUT * len(members)))
        indices += members.tolist()
        ours += [label] * len(members)
        held += [place < out for place in range(len(members))]
    task = TuningTask(f"lora-{number:03d}", images.read(indices), torch.tensor(ours), torch.tensor(held))
    offset = sum(len(sources[s].classes) for s in request.sources[: request.sources.index(dataset)])
    return task, [(f"{dataset}/{images.classes[c]}", offset + c) for c in chosen]


def _entry(
    tuned: Tuned,
    index: int,
    task: TuningTask,
    classes: list[tuple[str, int]],
    recipe: TuningRecipe,
    request: PoolRequest,
    number: int,
) -> LoraEntry:
    facts = {
        "dataset": request.sources[number % len(request.sources)],
        "held_out_accuracy": round(tuned.accuracies[index], 4),
        "training_images": int((~task.held_out).sum()),
        "recipe": asdict(recipe),
    }
    factors = tuned.bank.entry_factors(index)
    return LoraEntry(
        task.name,
        max(len(a) for a, _ in factors.values()),  # a penalty may reduce the rank
        factors,
        tuned.head_weight[index].cpu(),
        tuned.head_bias[index].cpu(),
        tuple(name for name, _ in classes),
        tuple(number for _, number in classes),
        facts,
    )


def _base_images(catalogue: Catalogue, name: str, request: PoolRequest, side: int) -> Images:
    dataset = dataset_by_name(catalogue, name)
    images: Images = dataset.load("base", request.data or Path("data"))
    if len(images.classes) < request.way:
        raise PoolError(f"'{name}' has {len(images.classes)} base classes, too few for {request.way}-way tasks.")
    return fitted(images, side)
