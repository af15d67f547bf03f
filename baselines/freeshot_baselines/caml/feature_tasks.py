"""Tasks in feature space: every surrogate image is embedded once, then tasks are cheap.

Axes: u images, t tasks, n = way × shot support images, q = way × query images, d features.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from freeshot import SurrogateSet
from freeshot.basics.errors import PoolError

IMAGES_PER_PASS = 256


@dataclass(frozen=True, eq=False)
class FeatureTasks:
    """Features of surrogates, grouped by class and LoRA."""

    features: Tensor
    """[2, u, d]: original and mirrored images."""
    groups: dict[int, list[Tensor]]
    """Class id → image indices for each LoRA with that class."""

    def draw(self, way: int, shot: int, query: int, count: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Draw tasks of classes across LoRAs, some images mirrored: support [t, n, d] and query [t, q, d]."""
        tasks = [self._indices(way, shot, query, rng) for _ in range(count)]
        support, queries = (torch.stack(part) for part in zip(*tasks, strict=True))  # [t, n], [t, q]
        return self._features(support, rng), self._features(queries, rng)

    def queries(self, shot: int, query: int) -> int:
        """Return the number of query images per class that every class has, at most `query`."""
        return min(query, self.smallest - shot)

    @property
    def smallest(self) -> int:
        """Number of images of the smallest class of any LoRA."""
        return min(len(members) for owners in self.groups.values() for members in owners)

    def _indices(self, way: int, shot: int, query: int, rng: Generator) -> tuple[Tensor, Tensor]:
        ids = list(self.groups)
        support, queries = [], []
        for index in torch.randperm(len(ids), generator=rng)[:way].tolist():
            owners = self.groups[ids[index]]
            members = owners[int(torch.randint(len(owners), (), generator=rng))]
            members = members[torch.randperm(len(members), generator=rng)]
            support.append(members[:shot])
            queries.append(members[shot : shot + query])
        return torch.cat(support), torch.cat(queries)

    def _features(self, indices: Tensor, rng: Generator) -> Tensor:
        mirrored = torch.randint(2, indices.shape, generator=rng)
        return self.features[mirrored, indices]


def feature_tasks(sets: Sequence[SurrogateSet], embed: Callable[[Tensor], Tensor], way: int, shot: int) -> FeatureTasks:
    """Embed all images of all sets, original and mirrored; PoolError if no task can be drawn."""
    images = torch.cat([s.shots.images for s in sets])
    with torch.no_grad():
        blocks = [[embed(view) for view in (block, block.flip(-1))] for block in images.split(IMAGES_PER_PASS)]  # type: ignore[no-untyped-call]
    features = torch.stack([torch.cat(views) for views in zip(*blocks, strict=True)])
    groups: dict[int, list[Tensor]] = defaultdict(list)
    start = 0
    for surrogates in sets:
        labels = surrogates.shots.labels
        for label, class_id in enumerate(surrogates.class_ids):
            groups[class_id].append(start + (labels == label).nonzero().flatten())
        start += len(labels)
    tasks = FeatureTasks(features, dict(groups))
    if len(groups) < way or tasks.smallest <= shot:
        raise PoolError(
            f"Tasks of {way} classes with {shot} shot and a query cannot be drawn from {len(groups)} surrogate "
            f"classes, the smallest with {tasks.smallest} images. Raise per_class."
        )
    return tasks
