"""Tasks for meta-learners: from surrogate images, or from real base images for the ceiling.

Task number i is a function of the seed and i alone, so a stream can be interrupted and resumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from freeshot.basics.errors import EpisodeError, PoolError
from freeshot.basics.seeds import stream
from freeshot.basics.step_limit import bounded
from freeshot.contracts.dataset import Images
from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.tensors import Checkpoint, Shots, SurrogateSet, Task
from freeshot.ops.tokens import mirror_patches

MAX_CONSECUTIVE_REJECTS = 9
"""Most tasks skipped in a row, so that a learner that accepts a single source still makes progress."""


@dataclass(frozen=True)
class TaskShape:
    """Sizes of the tasks, the same as at test time."""

    way: int
    shot: int
    query: int
    """Upper limit; with surrogates, as many images as the support set leaves of a class."""


@dataclass(eq=False)
class Tasks:
    """A stream of tasks: `draw` makes one, `recipe` describes everything that determines them as JSON."""

    draw: Callable[[Generator], Task]
    recipe: Mapping[str, Any]
    seed: int
    on_step: Callable[[int, int], None] = field(default=lambda done, total: None)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    held_out: Sequence[Task] = ()
    """Tasks of classes that `draw` never uses."""

    def take(self, count: int, start: int = 0) -> Iterator[Task]:
        """Yield tasks start…count−1, reporting progress."""
        for number in range(start, bounded(count)):
            yield self._draw(number)
            self.on_step(number + 1, count)

    def take_where(self, count: int, predicate: Callable[[Task], bool]) -> Iterator[Task]:
        """Yield `count` wanted tasks; at most nine in a row are skipped, and the tenth is used."""
        number = 0
        for done in range(bounded(count)):
            task, passed = self._draw(number), 0
            while passed < MAX_CONSECUTIVE_REJECTS and not predicate(task):
                passed += 1
                task = self._draw(number + passed)
            number += passed + 1
            yield task
            self.on_step(done + 1, count)

    def _draw(self, number: int) -> Task:
        return self.draw(stream(self.seed, "task", number))


class SurrogateSource:
    """Draw tasks from surrogate images.

    A share of the tasks has the classes of one LoRA and its logits on the query images; the rest mixes classes of
    different LoRAs, with labels only. The same class in two LoRAs is one class. Classes in `hidden` are excluded: tasks
    of one LoRA then have a smaller way.
    """

    def __init__(
        self,
        sets: Sequence[SurrogateSet],
        shape: TaskShape,
        lora_share: float,
        side: int,
        device: torch.device,
        *,
        flip: bool,
        hidden: Collection[int] = (),
    ) -> None:
        self._sets = [_on(s, device) for s in sets]
        self._shape, self._lora_share, self._side, self._flip = shape, lora_share, side, flip
        self._owners: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._labels: dict[int, list[int]] = defaultdict(list)
        self._members: dict[tuple[int, int], Tensor] = {}
        for index, surrogate in enumerate(sets):
            shown = surrogate.shots.labels.cpu()
            for label, class_id in enumerate(surrogate.class_ids):
                if class_id not in hidden:
                    self._owners[class_id].append((index, label))
                    self._labels[index].append(label)
                    self._members[index, label] = (shown == label).nonzero().flatten()
        self._whole = [index for index, labels in self._labels.items() if len(labels) > 1]
        if lora_share > 0 and not self._whole:
            raise PoolError("No LoRA has two classes left to make a task of. Hold out fewer classes.")
        if len(self._owners) < shape.way and lora_share < 1:
            raise PoolError(
                f"The pool has {len(self._owners)} classes, too few to mix {shape.way}-way tasks. Set lora_share=1."
            )

    def draw(self, rng: Generator) -> Task:
        """Draw one task of either kind."""
        if float(torch.rand((), generator=rng)) < self._lora_share:
            return self._of_one_lora(rng)
        return self._across_loras(rng)

    def _of_one_lora(self, rng: Generator) -> Task:
        index = self._whole[int(torch.randint(len(self._whole), (), generator=rng))]
        labels = self._labels[index]
        picks = [self._pick(index, label, rng) for label in labels]
        return self._task([(index, s, q) for s, q in picks], rng, teacher=self._sets[index], labels=labels)

    def _across_loras(self, rng: Generator) -> Task:
        ids = list(self._owners)
        chosen = [ids[i] for i in torch.randperm(len(ids), generator=rng)[: self._shape.way].tolist()]
        parts = []
        for class_id in chosen:
            owners = self._owners[class_id]
            index, label = owners[int(torch.randint(len(owners), (), generator=rng))]
            parts.append((index, *self._pick(index, label, rng)))
        return self._task(parts, rng, teacher=None)

    def _pick(self, index: int, label: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Choose support and query images of one class of one LoRA, as indices."""
        members = self._members[index, label]
        members = members[torch.randperm(len(members), generator=rng)]  # [members of the class]
        query = min(self._shape.query, len(members) - self._shape.shot)
        if query < 1:
            raise PoolError(
                f"LoRA '{self._sets[index].source}' gave {len(members)} surrogate images per class, too few for "
                f"{self._shape.shot} shot and a query. Raise per_class."
            )
        return members[: self._shape.shot], members[self._shape.shot : self._shape.shot + query]

    def _task(
        self,
        parts: Sequence[tuple[int, Tensor, Tensor]],
        rng: Generator,
        teacher: SurrogateSet | None,
        labels: Sequence[int] = (),
    ) -> Task:
        """Gather a task; with a teacher, its logits on the classes `labels`."""
        support, _ = self._shots([(index, s) for index, s, _ in parts], rng)
        query, mirrored = self._shots([(index, q) for index, _, q in parts], rng)
        logits = None
        if teacher is not None:
            chosen = torch.cat([q for _, _, q in parts]).to(teacher.teacher_logits.device)  # [q]
            flipped = mirrored.to(chosen.device).unsqueeze(1)  # [q, 1]
            logits = torch.where(flipped, teacher.mirrored_logits[chosen], teacher.teacher_logits[chosen])
            logits = logits[:, list(labels)]  # [q, classes of the LoRA] → [q, c]
        return Task(support, query, len(parts), logits, tuple(self._sets[index].source for index, _, _ in parts))

    def _shots(self, parts: Sequence[tuple[int, Tensor]], rng: Generator) -> tuple[Shots, Tensor]:
        """Gather images class by class, and flip some left to right together with their masks."""
        images = torch.cat([self._sets[index].shots.images[chosen] for index, chosen in parts])  # [n, 3, h, w]
        labels = torch.cat([torch.full((len(chosen),), label) for label, (_, chosen) in enumerate(parts)])  # [n]
        masks = [self._sets[index].shots.kept for index, _ in parts]
        kept = None
        if all(mask is not None for mask in masks):
            kept = torch.cat([mask[chosen] for mask, (_, chosen) in zip(masks, parts, strict=True)])  # type: ignore[index]
        flipped = torch.zeros(len(images), dtype=torch.bool)  # [n]
        if self._flip:
            flipped = torch.rand(len(images), generator=rng) < 0.5
            where = flipped.to(images.device)
            images = torch.where(where.view(-1, 1, 1, 1), images.flip(-1), images)  # [n, 3, h, w]
            if kept is not None:
                kept = torch.where(where.unsqueeze(1), mirror_patches(kept, self._side), kept)  # [n, k]
        return Shots(images, labels.to(images.device), kept), flipped


def hidden_classes(sets: Sequence[SurrogateSet | LoraEntry], share: float, way: int, rng: Generator) -> frozenset[int]:
    """Choose a share of the classes, at least `way` of them, to hold out of training."""
    ids = sorted({class_id for surrogate in sets for class_id in surrogate.class_ids})
    count = max(way, round(share * len(ids)))
    if len(ids) - count < way:
        raise PoolError(
            f"Holding out {count} of {len(ids)} classes leaves too few to train on {way}-way tasks. Lower held_out."
        )
    return frozenset(ids[index] for index in torch.randperm(len(ids), generator=rng)[:count].tolist())


class ImageSource:
    """Draw tasks from real labelled images, each task from one of the data sets."""

    def __init__(self, sources: Sequence[Images], shape: TaskShape, device: torch.device, *, flip: bool) -> None:
        self._sources, self._shape, self._device, self._flip = sources, shape, device, flip
        self._members = [_members(images, shape) for images in sources]

    def draw(self, rng: Generator) -> Task:
        """Draw one task."""
        index = int(torch.randint(len(self._sources), (), generator=rng))
        members = self._members[index]
        classes = torch.randperm(len(members), generator=rng)[: self._shape.way].tolist()
        support, query = [], []
        for label in classes:
            chosen = members[label][torch.randperm(len(members[label]), generator=rng)]
            support.append(chosen[: self._shape.shot])
            query.append(chosen[self._shape.shot : self._shape.shot + self._shape.query])
        return Task(self._shots(index, support, rng), self._shots(index, query, rng), self._shape.way)

    def _shots(self, index: int, parts: Sequence[Tensor], rng: Generator) -> Shots:
        images = self._sources[index].read(torch.cat(list(parts)).tolist()).float() / 255  # [n, 3, h, w]
        labels = torch.cat([torch.full((len(p),), label) for label, p in enumerate(parts)])  # [n]
        if self._flip:
            where = (torch.rand(len(images), generator=rng) < 0.5).view(-1, 1, 1, 1)  # [n, 1, 1, 1]
            images = torch.where(where, images.flip(-1), images)
        return Shots(images.to(self._device), labels.to(self._device))


def _members(images: Images, shape: TaskShape) -> list[Tensor]:
    """List the image indices of each class; EpisodeError if there are too few for a task."""
    labels = torch.as_tensor(images.labels)
    members = [(labels == label).nonzero().flatten() for label in range(len(images.classes))]
    poorest = min(map(len, members), default=0)
    needed = shape.shot + shape.query
    if len(members) < shape.way or poorest < needed:
        raise EpisodeError(
            f"Tasks of {shape.way} classes with {needed} images each cannot be drawn from base images of "
            f"{len(members)} classes, the poorest with {poorest}. Choose a track with a smaller way, shot or query."
        )
    return members


def _on(surrogate: SurrogateSet, device: torch.device) -> SurrogateSet:
    from dataclasses import replace

    shots = surrogate.shots
    kept = None if shots.kept is None else shots.kept.to(device)
    return replace(
        surrogate,
        shots=Shots(shots.images.to(device), shots.labels.to(device), kept),
        teacher_logits=surrogate.teacher_logits.to(device),
        mirrored_logits=surrogate.mirrored_logits.to(device),
    )
