"""The evaluation of easyfsl 1.5.0 on cached features, its published loop written again, as the reference.

The package itself does not run under torch 2.14, whose `Sampler` takes no `data_source`; with that patched it takes as
long as this. The steps are the same: a data set of features, a sampler that yields the indices of a task, a loader that
collates them image by image, and one forward pass of a prototypical network per task.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Item = tuple[Tensor, int]
Collated = tuple[Tensor, Tensor, Tensor, Tensor]
"""Support features and labels, query features and labels."""


class FeaturesDataset(Dataset[Item]):
    """Features [u, d] with their labels."""

    def __init__(self, features: Tensor, labels: Sequence[int]) -> None:
        self.features, self.labels = features, labels

    def __getitem__(self, index: int) -> Item:
        return self.features[index], self.labels[index]

    def __len__(self) -> int:
        return len(self.labels)


class TaskSampler:
    """Yields the indices of random tasks: `way` classes, of each `shot` support and `query` query images."""

    def __init__(self, dataset: FeaturesDataset, way: int, shot: int, query: int, tasks: int) -> None:
        self.way, self.shot, self.query, self.tasks = way, shot, query, tasks
        self.members: dict[int, list[int]] = defaultdict(list)
        for index, label in enumerate(dataset.labels):
            self.members[label].append(index)

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.tasks):
            classes = random.sample(sorted(self.members), self.way)
            drawn = [torch.tensor(random.sample(self.members[label], self.shot + self.query)) for label in classes]
            yield torch.cat(drawn).tolist()

    def collate(self, items: Sequence[Item]) -> Collated:
        """Stack a task's images and split them into support and query set; labels count the task's classes."""
        classes = list(dict.fromkeys(label for _, label in items))
        shape = (self.way, self.shot + self.query)
        features = torch.cat([feature.unsqueeze(0) for feature, _ in items]).reshape(*shape, -1)
        labels = torch.tensor([classes.index(label) for _, label in items]).reshape(shape)
        support, query = features[:, : self.shot].flatten(0, 1), features[:, self.shot :].flatten(0, 1)
        return support, labels[:, : self.shot].flatten(), query, labels[:, self.shot :].flatten()


class PrototypicalNetwork(nn.Module):
    """Scores queries by minus their distance to the class means of the support set."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Identity()

    def process_support_set(self, support: Tensor, labels: Tensor) -> None:
        """Compute the prototypes."""
        features = self.backbone(support)
        classes = range(len(torch.unique(labels)))
        self.prototypes = torch.cat([features[torch.nonzero(labels == label)].mean(0) for label in classes])

    def forward(self, query: Tensor) -> Tensor:
        """Return scores [q, c]."""
        return -torch.cdist(self.backbone(query), self.prototypes)


def loader(
    dataset: FeaturesDataset, sampler: TaskSampler, tasks: Sequence[list[int]] | None = None
) -> DataLoader[Item]:
    """Return the loader of tasks: those of the sampler, or given ones."""
    return DataLoader(dataset, batch_sampler=sampler if tasks is None else tasks, collate_fn=sampler.collate)


def evaluate(tasks: DataLoader[Item]) -> list[float]:
    """Return the accuracy of each task."""
    model, accuracies = PrototypicalNetwork().eval(), []
    with torch.no_grad():
        for support, support_labels, query, query_labels in tasks:
            model.process_support_set(support, support_labels)
            right = (torch.max(model(query), 1)[1] == query_labels).sum().item()
            accuracies.append(right / len(query_labels))
    return accuracies
