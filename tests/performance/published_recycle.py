"""LoRA Recycle's three loops after its paper and the description of its code: the reference of `bench_recycle`.

Written from that description, not from the code. Differences from ours: a LoRA is a module around each layer,
never merged; every layer computes its attention weights explicitly, and all are kept; patches are dropped image by
image; the LoRA's logits on the queries are computed again for each task; an episode's images are embedded for that
episode. Left out in its favour: files of images between the stages, and the test on 600 episodes after every 100 tasks.

Axes: n images, t tokens, k kept patches, d features, c classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from tests.performance.setting import plain_copy
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from freeshot.contracts.dataset import Images
from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.contracts.tensors import Episode, Task
from freeshot.engine.vit.backbone import Backbone

Factors = Mapping[Slot, tuple[Tensor, Tensor]]


class LoraLayer(nn.Module):
    """A frozen linear layer with a LoRA for some of its rows."""

    def __init__(self, base: nn.Module, factors: Factors) -> None:
        super().__init__()
        self.base = base
        self.rows = [(slot.start, slot.stop) for slot in factors]
        self.a = nn.ParameterList([nn.Parameter(a.clone()) for a, _ in factors.values()])
        self.b = nn.ParameterList([nn.Parameter(b.clone()) for _, b in factors.values()])

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [n, t, i] to [n, t, o]."""
        out = self.base(inputs).clone()
        for (start, stop), a, b in zip(self.rows, self.a, self.b, strict=True):
            out[..., start:stop] += inputs @ a.T @ b.T
        return out  # type: ignore[no-any-return]


class PublishedNetwork(nn.Module):
    """A copy of the backbone with one LoRA, all attention weights, and patches dropped image by image."""

    def __init__(self, backbone: Backbone, factors: Factors) -> None:
        super().__init__()
        self.vit: Any = plain_copy(backbone.vit).requires_grad_(False)
        self.normalize = backbone.normalize
        for name in {slot.module for slot in factors}:
            own = {slot: pair for slot, pair in factors.items() if slot.module == name}
            parent, _, last = name.rpartition(".")
            setattr(self.vit.get_submodule(parent), last, LoraLayer(self.vit.get_submodule(name), own))

    def lora(self) -> list[nn.Parameter]:
        """Return the LoRA's weights."""
        return [weight for weight in self.vit.parameters() if weight.requires_grad]

    def forward(
        self, images: Tensor, prune: Mapping[int, float] | None = None, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return features [n, d] and the patches that remain [n, k]; images are [n, 3, h, w] in 0…1.

        `prune` maps a layer to the share of the remaining patches that it drops; `kept` [n, k] are the patches that
        enter the first block.
        """
        tokens = self.vit.norm_pre(self.vit._pos_embed(self.vit.patch_embed(self.normalize(images))))
        patches = list(torch.arange(tokens.shape[1] - 1).expand(len(images), -1))
        if kept is not None:
            patches, tokens = list(kept), self._select(tokens, list(kept))
        weights = []
        for layer, block in enumerate(self.vit.blocks):
            mixed, attention = _attend(block.attn, block.norm1(tokens))
            weights.append(attention)
            tokens = tokens + mixed
            if prune and layer in prune:
                chosen = [self.highest(attention[i], prune[layer]) for i in range(len(images))]
                patches = [own[index] for own, index in zip(patches, chosen, strict=True)]
                tokens = self._select(tokens, chosen)
            tokens = tokens + block.mlp(block.norm2(tokens))
        return self.vit.forward_head(self.vit.norm(tokens)), torch.stack(patches)

    def highest(self, attention: Tensor, ratio: float) -> Tensor:
        """Return the patches of an image with the most attention of the class token: [heads, t, t] → [k]."""
        scores = attention.mean(0)[0, 1:]
        drop = int(len(scores) * ratio)
        return scores.argsort(descending=True)[: len(scores) - drop].sort().values

    def _select(self, tokens: Tensor, chosen: Sequence[Tensor]) -> Tensor:
        """Keep the class token and some patches of each image: [n, t, d] → [n, 1 + k, d]."""
        return torch.stack([torch.cat([x[:1], x[1:][index]]) for x, index in zip(tokens, chosen, strict=True)])


def _attend(attention: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Run an attention layer: [n, t, d] → [n, t, d] and its weights [n, heads, t, t]."""
    n, t, d = tokens.shape
    q, k, v = attention.qkv(tokens).reshape(n, t, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    weights = (q * attention.scale @ k.transpose(-2, -1)).softmax(-1)
    return attention.proj((weights @ v).transpose(1, 2).reshape(n, t, d)), weights


def teacher_logits(
    network: PublishedNetwork, entry: LoraEntry, images: Tensor, prune: Mapping[int, float] | None = None
) -> Tensor:
    """Return the logits [n, c] of a LoRA with its head."""
    logits: Tensor = network(images, prune)[0] @ entry.head_weight.T + entry.head_bias
    return logits


def inversion_loss(
    network: PublishedNetwork, entry: LoraEntry, images: Tensor, labels: Tensor, prune: Mapping[int, float]
) -> Tensor:
    """Return the mean cross-entropy of images, without a prior."""
    return cross_entropy(teacher_logits(network, entry, images, prune), labels)


def invert(
    backbone: Backbone, entry: LoraEntry, labels: Tensor, steps: int, prune: Mapping[int, float], rng: Generator
) -> tuple[Tensor, Tensor]:
    """Optimise noise into images [n, 3, h, w] in 0…1, and return them with their masks [n, k]."""
    network, side = PublishedNetwork(backbone, entry.factors), backbone.image_size
    mean, std = backbone.normalize.mean, backbone.normalize.std
    pixels = torch.randn(len(labels), 3, side, side, generator=rng).requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=0.25, betas=(0.5, 0.99))
    for _ in range(steps):
        down, right = (int(torch.randint(-(side // 8), side // 8 + 1, (), generator=rng)) for _ in range(2))
        images = (pixels * std + mean).roll((down, right), dims=(2, 3))
        if torch.rand((), generator=rng) < 0.5:
            images = images.flip(-1)
        loss = inversion_loss(network, entry, images, labels, prune)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            for channel in range(3):
                low, high = -mean[0, channel] / std[0, channel], (1 - mean[0, channel]) / std[0, channel]
                pixels[:, channel] = pixels[:, channel].maximum(low).minimum(high)
    with torch.no_grad():
        images = pixels * std + mean
        return images, network(images, prune)[1]


def distances(query: Tensor, support: Tensor, way: int) -> Tensor:
    """Return the distances of queries to the class means of a support set ordered by class: [q, c]."""
    means = support.reshape(way, -1, support.shape[1]).mean(1)  # [c, d]
    norms: Tensor = (query.unsqueeze(1) - means).norm(dim=-1)
    return norms


def task_loss(network: PublishedNetwork, task: Task, teacher: tuple[PublishedNetwork, LoraEntry] | None) -> Tensor:
    """Return KL(student ‖ teacher) on a task of one LoRA, the cross-entropy with the labels on a mixed one."""
    support, _ = network(task.support.images, kept=task.support.kept)
    query, _ = network(task.query.images, kept=task.query.kept)
    logits = -distances(query, support, task.way)
    if teacher is None:
        return cross_entropy(logits, task.query.labels)
    with torch.no_grad():
        target = log_softmax(teacher_logits(*teacher, task.query.images), 1)
    return kl_div(target, log_softmax(logits, 1), reduction="batchmean", log_target=True)


def meta_train(
    backbone: Backbone, start: Factors, entries: Mapping[str, LoraEntry], tasks: Iterable[Task], rates: Sequence[float]
) -> PublishedNetwork:
    """Take one step per task at its learning rate; a task with logits is of one LoRA, its teacher."""
    network = PublishedNetwork(backbone, start)
    teachers = {name: (PublishedNetwork(backbone, entry.factors), entry) for name, entry in entries.items()}
    optimizer = torch.optim.Adam(network.lora())
    for task, rate in zip(tasks, rates, strict=True):
        teacher = None if task.teacher_logits is None else teachers[task.sources[0]]
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        task_loss(network, task, teacher).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network


def evaluate(network: PublishedNetwork, images: Images, episodes: Iterable[Episode]) -> list[float]:
    """Embed one episode's images after the other and return the accuracies."""
    accuracies = []
    with torch.no_grad():
        for episode in episodes:
            support, query = (network(images.read(i).float() / 255)[0] for i in (episode.support, episode.query))
            way = len(episode.classes)
            labels = torch.arange(way).repeat_interleave(len(query) // way)
            accuracies.append(float((distances(query, support, way).argmin(1) == labels).double().mean()))
    return accuracies
