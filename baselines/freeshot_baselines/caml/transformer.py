"""The in-context network: its input is a query with its support set as a sequence, its output the query's scores.

Axes: s sequences, n support images, c classes (the way), d features, p width of a label vector.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize, pad

from freeshot.basics.errors import OptionError
from freeshot_baselines.heads.custom_head import labels_of

SEQUENCES_PER_PASS = 4096


def elmes(way: int, width: int) -> Tensor:
    """Return an equal-length, maximally equiangular set of vectors [c, p]: unit rows with cosines −1/(c − 1)."""
    if width < way:
        raise OptionError(f"Label vectors of width {width} are too narrow for {way} classes. Raise label_width.")
    simplex = (torch.eye(way) - 1 / way) * (way / (way - 1)) ** 0.5
    return pad(simplex, (0, width - way))


class InContext(nn.Module):
    """A transformer without mask or positions over [query, support]; each token joins a feature and a label vector."""

    labels: Tensor

    def __init__(self, features: int, way: int, label_width: int, depth: int, heads: int) -> None:
        super().__init__()
        width = features + label_width
        if width % heads:
            raise OptionError(
                f"{heads} heads cannot share {features} features and label_width={label_width}. "
                "Choose another label_width, or heads that divide the sum."
            )
        self.register_buffer("labels", elmes(way, label_width), persistent=False)
        self.unknown = nn.Parameter(torch.zeros(label_width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.decide = nn.Linear(width, way)

    def forward(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Score queries [s, d], each with its own support set [s, n, d] with labels [n]: [s, c]."""
        labelled = torch.cat([normalize(support, dim=-1), self.labels[labels].expand(len(support), -1, -1)], -1)
        unknown = torch.cat([normalize(query, dim=-1), self.unknown.expand(len(query), -1)], -1)  # [s, d + p]
        encoded = self.encoder(torch.cat([unknown.unsqueeze(1), labelled], 1))  # [s, 1 + n, d + p]
        scores: Tensor = self.decide(encoded[:, 0])
        return scores


def fresh(features: int, way: int, label_width: int, depth: int, heads: int, rng: Generator) -> InContext:
    """Build a network with weights from `rng` only, different in each layer."""
    with torch.random.fork_rng(devices=[]):  # torch's layers use the global generator
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        network = InContext(features, way, label_width, depth, heads)
        for layer in network.encoder.layers:  # torch copies one layer including its weights
            for weight in layer.parameters():
                if weight.ndim > 1:
                    nn.init.xavier_uniform_(weight)
    return network


def in_context(network: InContext, support: Tensor, query: Tensor, way: int) -> Tensor:
    """Score queries [e, q, d] by their support sets [e, n, d], ordered class by class: [e, q, c]."""
    labels = labels_of(support, way)
    episodes, queries = query.shape[:2]
    episode = torch.arange(episodes, device=query.device).repeat_interleave(queries)  # [e·q]
    blocks = zip(episode.split(SEQUENCES_PER_PASS), query.flatten(0, 1).split(SEQUENCES_PER_PASS), strict=True)  # type: ignore[no-untyped-call]
    return torch.cat([network(support[e], labels, q) for e, q in blocks]).view(episodes, queries, way)
