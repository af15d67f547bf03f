"""The prior's distance is its equation, and its weights and network are those of the named file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean, pstdev, pvariance
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from freeshot.basics.errors import DataError
from freeshot.basics.files import write_tensors
from freeshot.engine.inversion.batchnorm_prior import StatisticsPrior, open_prior
from freeshot.engine.inversion.prior_network import KNOWN, NETWORK, PriorNetwork, open_network
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_vision.weights.sources import sources

CPU = torch.device("cpu")


def with_statistics() -> nn.Sequential:
    """Build a network in float64 with two batch norms, whose statistics are random."""
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


def obvious_distance(
    network: nn.Sequential, images: Tensor, spread: str, described: PriorNetwork = KNOWN["resnet50"]
) -> float:
    """Sum ‖μ − μ_BN‖₂ + ‖σ − σ_BN‖₂ over the batch norms, channel by channel."""
    total = 0.0
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in (described.mean, described.std))
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


def obvious_enlargement(image: Tensor, side: int) -> Tensor:
    """Resize one channel [h, w] to [side, side]: between the four nearest pixel centres, clamped at the border."""
    h, w = image.shape
    enlarged = torch.empty(side, side, dtype=image.dtype)
    for y in range(side):
        for x in range(side):
            down, right = (y + 0.5) * h / side - 0.5, (x + 0.5) * w / side - 0.5
            value = 0.0
            for i in (math.floor(down), math.floor(down) + 1):
                for j in (math.floor(right), math.floor(right) + 1):
                    nearness = (1 - abs(down - i)) * (1 - abs(right - j))
                    value += nearness * float(image[min(max(i, 0), h - 1), min(max(j, 0), w - 1)])
            enlarged[y, x] = value
    return enlarged


@pytest.mark.parametrize("spread", ["std", "var"])
@pytest.mark.parametrize("prior", ["resnet50", "efficientnet-lite0"])
def test_the_distance_is_the_sum_of_those_of_means_and_deviations_over_all_layers(spread: str, prior: str) -> None:
    network, described = with_statistics(), KNOWN[prior]
    images = torch.rand(3, 3, 7, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        distance = StatisticsPrior(network, spread, described).distance(images)
        expected = obvious_distance(network, images, spread, described)
    assert float(distance) == pytest.approx(expected, rel=1e-6)  # batch norms add 1e-8 to the variance before the root


@pytest.mark.parametrize("size", [5, 7, 12])
def test_images_are_resized_before_the_prior(size: int) -> None:
    network = with_statistics()
    images = torch.rand(2, 3, 7, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    resized = torch.stack([torch.stack([obvious_enlargement(channel, size) for channel in image]) for image in images])
    with torch.no_grad():
        distance = StatisticsPrior(network, "var", size=size).distance(images)
        expected = obvious_distance(network, resized, "var")
    assert float(distance) == pytest.approx(expected, rel=1e-12)


def tiny_resnet() -> Any:
    """Build a ResNet of four bottleneck blocks in float64, with random statistics and weights of its norms."""
    torch.manual_seed(6)
    network: Any = ResNet(Bottleneck, (1, 1, 1, 1), num_classes=2, channels=(4, 4, 4, 4))  # type: ignore[arg-type]
    network = network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.copy_(0.5 + torch.rand(tensor.shape, dtype=torch.float64))
    return network


def test_keras_blocks_stride_in_the_first_convolution_and_have_a_larger_epsilon() -> None:
    weights = tiny_resnet().state_dict()
    network = tiny_resnet()
    PriorNetwork(timm="resnet50", mean=(0, 0, 0), std=(1, 1, 1), stride="first", batch_norm_eps=1e-3).adapt(network)
    images = torch.rand(2, 3, 33, 33, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def normed(x: Tensor, norm: str) -> Tensor:
        mean, variance, scale, shift = (
            weights[f"{norm}.{name}"].view(1, -1, 1, 1) for name in ("running_mean", "running_var", "weight", "bias")
        )
        result: Tensor = (x - mean) / (variance + 1e-3).sqrt() * scale + shift
        return result

    x = normed(conv2d(images, weights["conv1.weight"], stride=2, padding=3), "bn1").relu()
    x = max_pool2d(x, 3, stride=2, padding=1)
    for stage, stride in (("layer1.0", 1), ("layer2.0", 2), ("layer3.0", 2), ("layer4.0", 2)):
        y = normed(conv2d(x, weights[f"{stage}.conv1.weight"], stride=stride), f"{stage}.bn1").relu()
        y = normed(conv2d(y, weights[f"{stage}.conv2.weight"], padding=1), f"{stage}.bn2").relu()
        y = normed(conv2d(y, weights[f"{stage}.conv3.weight"]), f"{stage}.bn3")
        shortcut = conv2d(x, weights[f"{stage}.downsample.0.weight"], stride=stride)
        x = (y + normed(shortcut, f"{stage}.downsample.1")).relu()
    with torch.no_grad():
        assert torch.allclose(network.forward_features(images), x, rtol=1e-12)
        assert x.abs().max() > 0.1
        assert not torch.allclose(tiny_resnet().forward_features(images), x, rtol=1e-3)


LITE0 = {"timm": "tf_efficientnet_lite0", "mean": [0.4, 0.5, 0.6], "std": [0.1, 0.2, 0.3]}


def written(path: Path, network: object, model: str = "tf_efficientnet_lite0") -> str:
    """Write a timm network's weights, with the description of a network unless it is None."""
    metadata = None if network is None else {NETWORK: network if isinstance(network, str) else json.dumps(network)}
    torch.manual_seed(8)
    write_tensors(path, timm.create_model(model, pretrained=False).state_dict(), metadata)
    return str(path)


def test_images_are_normalised_as_in_the_metadata(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(9))
    file = written(tmp_path / "own.safetensors", LITE0)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(load_file(file))
    expected = StatisticsPrior(network, "std", PriorNetwork.model_validate(LITE0)).distance(images)
    assert torch.equal(open_prior("efficientnet-lite0", file, "std", CPU).distance(images), expected)


def test_a_file_without_metadata_is_timms_network(tmp_path: Path) -> None:
    described, _ = open_network("efficientnet-lite0", written(tmp_path / "plain.safetensors", None))
    assert described == KNOWN["efficientnet-lite0"]


def test_metadata_change_strides_and_norms_of_the_whole_network(tmp_path: Path) -> None:
    keras = {**KNOWN["resnet50"].model_dump(), "stride": "first", "batch_norm_eps": 1e-3}
    _, network = open_network("resnet50", written(tmp_path / "keras.safetensors", keras, "resnet50"))
    blocks = [module for module in network.modules() if isinstance(module, Bottleneck)]
    halving = [number for number, block in enumerate(blocks) if block.conv1.stride == (2, 2)]
    assert halving == [3, 7, 13]  # the first block of layers 2, 3 and 4
    assert all(block.conv2.stride == (1, 1) for block in blocks)
    assert {module.eps for module in network.modules() if isinstance(module, nn.BatchNorm2d)} == {1e-3}


def test_weights_of_another_network_are_an_error_before_a_run_starts(tmp_path: Path) -> None:
    file = written(tmp_path / "lite0.safetensors", LITE0)
    LoraInversion(prior="efficientnet-lite0", prior_weights=file).require_ready()
    with pytest.raises(DataError, match="are of tf_efficientnet_lite0, not of resnet50"):
        LoraInversion(prior="resnet50", prior_weights=file).require_ready()


def test_every_prior_that_can_be_downloaded_is_described() -> None:
    described = [PriorNetwork.model_validate(source.network) for source in sources().values() if source.network]
    assert {network.timm for network in described} == {network.timm for network in KNOWN.values()}
    assert len(described) == 3


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ({**LITE0, "timm": "resnet18"}, "are of resnet18, not of efficientnet-lite0. Give weights of efficientnet-"),
        ({**LITE0, "timm": "resnet50"}, "are of resnet50, not of efficientnet-lite0. Give weights of efficientnet-"),
        ({**LITE0, "timm": "resnet50"}, "lite0, or set -o inversion.prior=resnet50."),
        ({**LITE0, "stride": "first"}, "its stride cannot be moved, since it has no bottleneck blocks"),
        ({**LITE0, "stride": "last"}, "(stride: Input should be 'first')"),
        ({**LITE0, "std": [1, 0, 1]}, "(std.1: Input should be greater than 0)"),
        ({**LITE0, "mean": [0.5, 0.5]}, "(mean.2: Field required)"),
        ({**LITE0, "crop": 0.9}, "(crop: Extra inputs are not permitted)"),
        ({}, "(timm: Field required)"),
        ("{", "(Invalid JSON: EOF while parsing an object at line 1 column 1)"),
    ],
)
def test_metadata_of_another_network_are_an_error_of_one_sentence(
    tmp_path: Path, network: object, problem: str
) -> None:
    file = written(tmp_path / "other.safetensors", network)
    with pytest.raises(DataError) as caught:
        open_prior("efficientnet-lite0", file, "std", CPU)
    assert problem in str(caught.value)
    assert file in str(caught.value)
    assert "Give weights of efficientnet-lite0" in str(caught.value)


def test_a_file_named_by_its_hash_must_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet50-0676ba61.pth").write_bytes(b"something else")
    monkeypatch.setenv("FREESHOT_WEIGHTS", str(tmp_path))  # so that the file is resolved by its name alone
    with pytest.raises(
        DataError, match=r"resnet50-0676ba61\.pth does not match the hash in its name \(its SHA-256 is "
    ):
        open_prior("resnet50", "resnet50-0676ba61.pth", "std", CPU)
