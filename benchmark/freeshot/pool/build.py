"""Build a pool: random few-way tasks from base classes, a LoRA and head tuned on each, stored as PEFT adapters."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from freeshot.basics.errors import PoolError, StoreError
from freeshot.basics.files import fingerprint, write_text
from freeshot.basics.seeds import derive
from freeshot.contracts.dataset import FewShotDataset, Images, fitted
from freeshot.contracts.events import Event, Progress, StageFinished, StageStarted
from freeshot.contracts.pool import LoraEntry, LoraPool, PoolPlan, TuningRecipe
from freeshot.data.lookup import dataset_by_name
from freeshot.engine.lora.bank import LoraBank, slots_of, widths_of
from freeshot.engine.metering.flops import flops_of
from freeshot.engine.vit.backbone import Backbone, named_backbone
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import Host
from freeshot.pool import POOL_CARD
from freeshot.pool.cards import LoraCard
from freeshot.pool.store import open_pool, write_card, write_entry
from freeshot.pool.train_loras import Tuned, TuningTask, tune
from freeshot.records.models import Precision

HELD_OUT = 0.2
NOTES = ".block-*.json"
"""Notes of finished blocks, deleted when the pool is complete."""
LOCKS = ".locks"


@dataclass(frozen=True)
class PoolRequest(PoolPlan):
    """The recipe of a pool and its output folder."""

    out: Path = Path()
    device: str = "cpu"
    precision: Precision = "fp32"
    """Of the backbone's passes; LoRAs and heads are trained in full precision."""
    data: Path | None = None


def build_pool(request: PoolRequest, catalogue: Catalogue, host: Host) -> LoraPool:
    """Tune the LoRAs, several at once, and return the pool opened from disk.

    An interrupted build resumes with the missing LoRAs; a finished pool is never overwritten. Processes that build the
    same pool simultaneously share its LoRAs by locks.
    """
    if (request.out / POOL_CARD).exists():
        raise PoolError(f"{request.out} already holds a pool. Choose another --out, or delete that folder first.")
    return _Build(request, catalogue, host).run()


def cost_of(plan: PoolPlan, backbone: Backbone) -> tuple[float, int]:
    """Count the floating-point operations and training images of tuning a pool.

    Evaluation on held-out images is not included, because their number depends on the data set.
    """
    slots = slots_of(backbone.vit, plan.targets)
    bank = LoraBank.fresh(backbone.vit, slots, plan.rank, 1, torch.Generator()).to(backbone.device)
    images = plan.count * plan.steps * plan.batch
    return images * flops_of(backbone, bank).executed, images


class _Build:
    """One build of a pool: the LoRAs are tuned in blocks, each under a lock and noted when it is finished."""

    def __init__(self, request: PoolRequest, catalogue: Catalogue, host: Host) -> None:
        self.request, self.host = request, host
        self.backbone = named_backbone(catalogue, request.backbone, request.device, request.precision)
        datasets = {name: dataset_by_name(catalogue, name) for name in request.sources}
        self.sources = {name: self._base_images(name, dataset) for name, dataset in datasets.items()}
        self.license = "; ".join(f"{name}: {dataset.license or 'not stated'}" for name, dataset in datasets.items())
        self.recipe = TuningRecipe(**{name: getattr(request, name) for name in TuningRecipe.__dataclass_fields__})
        self.penalize = catalogue.lora_penalty(request.penalty[0]) if request.penalty else None
        numbers = range(request.count)
        self.blocks = [numbers[start : start + request.at_once] for start in numbers[:: request.at_once]]
        self.title = f"pool {request.name}"
        self.tuned = 0

    def run(self) -> LoraPool:
        out, steps = self.request.out, self.request.count * self.recipe.steps
        began = time.monotonic()
        self._emit(StageStarted(self.title, "tune", steps))
        loras: dict[int, list[LoraCard]] = {}
        for wait in (False, True):  # first the blocks that no other process has locked
            for block in range(len(self.blocks)):
                if block not in loras and (cards := self._tune_unclaimed(block, wait=wait)) is not None:
                    loras[block] = cards
        with self._locked("card", wait=True) as first:
            if first:  # unless another process was first, with the same LoRAs
                written = [lora for block in range(len(self.blocks)) for lora in loras[block]]
                write_card(out, self.request.name, self.request.backbone, self.backbone.sha256, written, self.license)
                for note in out.glob(NOTES):
                    note.unlink(missing_ok=True)
        shutil.rmtree(out / LOCKS, ignore_errors=True)  # a process that still waits for a lock will find the card
        self._emit(StageFinished(self.title, "tune", time.monotonic() - began))
        return open_pool(out, self.backbone.sha256)

    def _tune_unclaimed(self, block: int, *, wait: bool) -> list[LoraCard] | None:
        """Tune a block; None if another process tunes it, or has finished the pool."""
        numbers = self.blocks[block]
        with self._locked(f"block-{numbers[0]:03d}", wait=wait) as locked:
            if not locked:
                return None
            loras = self._tune_block(numbers)
            self.tuned += len(loras)
            steps = self.recipe.steps
            self._emit(Progress(self.title, "tune", self.tuned * steps, self.request.count * steps))
            return loras

    @contextmanager
    def _locked(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Yield whether this process may write: it has the lock and the pool is not finished.

        The operating system releases the lock of a killed process.
        """
        out = self.request.out
        try:
            (out / LOCKS).mkdir(parents=True, exist_ok=True)
            lock = FileLock(out / LOCKS / name)
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        except OSError as error:
            if (out / POOL_CARD).exists():  # finished by another process, which deleted the locks
                yield False
                return
            raise StoreError(f"The folder {out} cannot be written ({error.strerror}). Choose another --out.") from None
        try:
            yield not (out / POOL_CARD).exists()
        finally:
            lock.release()

    def _tune_block(self, numbers: range) -> list[LoraCard]:
        """Tune one block of LoRAs, or return the block's cards if an earlier run wrote them."""
        request = self.request
        recipe = {
            **asdict(self.recipe),
            "sources": [[name, self.sources[name].sha256] for name in request.sources],  # order matters
            "way": request.way,
            "held_out_images": request.held_out_images,
            "backbone": self.backbone.identity[1:],
        }
        note = request.out / f".block-{numbers[0]:03d}-{len(numbers)}-{fingerprint(recipe)}.json"
        cards = TypeAdapter(list[LoraCard])
        with suppress(OSError, ValueError):  # of a note that is missing or corrupt
            loras = cards.validate_json(note.read_bytes())  # written when all its LoRAs were finished
            if all(lora.matches_files(request.out) for lora in loras):  # and not overwritten by another build since
                return loras
        tasks, classes = zip(*map(self._task, numbers), strict=True)
        tuned = tune(self.backbone, tasks, self.recipe, request.way, self._reporter(numbers), self.penalize)
        loras = []
        for index, number in enumerate(numbers):
            entry = self._entry(tuned, index, number, tasks[index], classes[index])
            widths = widths_of(self.backbone.vit, entry.factors)
            loras.append(write_entry(request.out / entry.name, entry, request.backbone, widths))
        write_text(note, cards.dump_json(loras).decode())
        return loras

    def _source(self, number: int) -> str:
        return self.request.sources[number % len(self.request.sources)]

    def _task(self, number: int) -> tuple[TuningTask, list[tuple[str, int]]]:
        """Draw the task of one LoRA: its classes at random, a fifth of each class held out."""
        request, dataset = self.request, self._source(number)
        images = self.sources[dataset]
        rng = np.random.Generator(np.random.Philox(derive(request.seed, "pool task", number)))
        chosen = sorted(rng.choice(len(images.classes), size=request.way, replace=False).tolist())
        labels = np.asarray(images.labels)
        indices, task_labels, held_out = [], [], []
        for label, original in enumerate(chosen):
            members = rng.permutation(np.flatnonzero(labels == original))
            out = max(1, round(HELD_OUT * len(members)))
            evaluated = min(out, request.held_out_images or out)
            indices += [*members[:evaluated].tolist(), *members[out:].tolist()]
            task_labels += [label] * (evaluated + len(members) - out)
            held_out += [True] * evaluated + [False] * (len(members) - out)
        task = TuningTask(f"lora-{number:03d}", images.read(indices), torch.tensor(task_labels), torch.tensor(held_out))
        offset = sum(len(self.sources[s].classes) for s in request.sources[: request.sources.index(dataset)])
        return task, [(f"{dataset}/{images.classes[c]}", offset + c) for c in chosen]

    def _entry(
        self, tuned: Tuned, index: int, number: int, task: TuningTask, classes: list[tuple[str, int]]
    ) -> LoraEntry:
        factors = tuned.bank.entry_factors(index)
        return LoraEntry(
            task.name,
            max(len(a) for a, _ in factors.values()),  # a penalty may reduce the rank
            factors,
            tuned.head_weight[index].cpu(),
            tuned.head_bias[index].cpu(),
            tuple(name for name, _ in classes),
            tuple(identifier for _, identifier in classes),
            {
                "dataset": self._source(number),
                "held_out_accuracy": round(tuned.accuracies[index], 4),
                "training_images": int((~task.held_out).sum()),
                "recipe": asdict(self.recipe) | {"precision": self.backbone.precision},
            },
        )

    def _base_images(self, name: str, dataset: FewShotDataset) -> Images:
        images = dataset.load("base", self.request.data or Path("data"))
        if len(images.classes) < self.request.way:
            raise PoolError(
                f"'{name}' has {len(images.classes)} base classes, too few for {self.request.way}-way tasks."
            )
        return fitted(images, self.backbone.image_size)

    def _emit(self, event: Event) -> None:
        """Send an event to all plugins; a plugin that raises causes a warning only."""
        list(self.host.results("freeshot_event", event=event))

    def _reporter(self, numbers: range) -> Callable[[int, int], None]:
        """Return a callback that reports a block's steps as steps of all LoRAs, at most twice a second."""
        last = time.monotonic()

        def report(done: int, of: int) -> None:
            nonlocal last
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                steps = numbers[0] * of + len(numbers) * done
                self._emit(Progress(self.title, "tune", steps, self.request.count * of))

        return report
