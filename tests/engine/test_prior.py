"""The prior's distance is its equation, its weights are the file that is named, and what it costs is counted."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev, pvariance

import pytest
import torch
from torch import Tensor, nn

from freeshot.basics.errors import DataError
from freeshot.engine.inversion.batchnorm_prior import StatisticsPrior, open_prior

CPU = torch.device("cpu")


def experienced() -> nn.Sequential:
    """Build a network in float64 with two batch norms, whose statistics are those of nothing in particular."""
    rng = torch.Generator().manual_seed(3)
    norms = nn.BatchNorm2d(4), nn.BatchNorm2d(5)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norms[0], nn.ReLU(), nn.Conv2d(4, 5, 3), norms[1]).double().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng, dtype=torch.float64))
        for norm in norms:
            norm.running_mean = torch.randn(norm.num_features, generator=rng, dtype=torch.float64)
            norm.running_var = 0.5 + torch.rand(norm.num_features, generator=rng, dtype=torch.float64)
    return network


def obvious_distance(network: nn.Sequential, images: Tensor, spread: str) -> float:
    """Sum ‖μ − μ_BN‖₂ + ‖σ − σ_BN‖₂ over the batch norms, channel by channel."""
    total = 0.0
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    activations = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            means = spreads = 0.0
            for channel in range(layer.num_features):
                values = activations[:, channel].flatten().tolist()
                known_mean, known_variance = float(layer.running_mean[channel]), float(layer.running_var[channel])
                means += (fmean(values) - known_mean) ** 2
                difference = pvariance(values) - known_variance
                spreads += (difference if spread == "var" else pstdev(values) - known_variance**0.5) ** 2
            total += means**0.5 + spreads**0.5
        activations = layer(activations)
    return total


@pytest.mark.parametrize("spread", ["std", "var"])
def test_the_distance_sums_those_of_means_and_of_spreads_over_all_layers(spread: str) -> None:
    network = experienced()
    images = torch.rand(3, 3, 7, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        found, slow = StatisticsPrior(network, spread).distance(images), obvious_distance(network, images, spread)
    assert float(found) == pytest.approx(slow, rel=1e-6)  # the normalisation is known in float32


def test_a_file_named_by_its_hash_must_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(b"something else")
    monkeypatch.setenv("FREESHOT_WEIGHTS", str(tmp_path))  # where it is found by its name alone
    with pytest.raises(
        DataError, match=r"resnet50-0676ba61\.pth does not match the hash in its name \(its SHA-256 is "
    ):
        open_prior("resnet50-0676ba61.pth", "std", CPU)
