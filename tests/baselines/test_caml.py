"""CAML: label vectors at equal angles, a transformer of sets, and tasks drawn from features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from freeshot.basics.errors import OptionError, PoolError
from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot_baselines.caml.feature_tasks import FeatureTasks, feature_tasks
from freeshot_baselines.caml.method import Caml
from freeshot_baselines.caml.transformer import elmes, fresh, in_context

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot_baselines.caml.transformer import InContext


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(seed: int = 0, way: int = 3) -> InContext:
    return fresh(6, way, 6, 2, 3, rng(seed)).double().eval()


SUPPORT = torch.randn(2, 6, 6, generator=rng(1), dtype=torch.float64)
QUERY = torch.randn(2, 4, 6, generator=rng(2), dtype=torch.float64)
LABELS = torch.arange(3).repeat_interleave(2)


@pytest.mark.parametrize("way", [2, 5, 8])
def test_label_vectors_have_one_length_and_the_widest_equal_angles(way: int) -> None:
    vectors = elmes(way, 8).double()
    gram = vectors @ vectors.mT
    expected = torch.full((way, way), -1 / (way - 1), dtype=torch.float64).fill_diagonal_(1)
    assert torch.allclose(gram, expected, atol=1e-6)


def test_too_narrow_label_vectors_are_refused() -> None:
    with pytest.raises(OptionError, match="width 4 are too narrow for 5 classes"):
        elmes(5, 4)
    with pytest.raises(OptionError, match="4 heads cannot share 6 features"):
        fresh(6, 3, 7, 1, 4, rng())


def test_each_query_is_a_sequence_of_its_own() -> None:
    net = network()
    actual = in_context(net, SUPPORT, QUERY, 3)
    for e in range(2):
        for q in range(4):
            tokens = [torch.cat([QUERY[e, q] / QUERY[e, q].norm(), net.unknown.detach()])]
            tokens += [
                torch.cat([image / image.norm(), net.labels[label]])
                for image, label in zip(SUPPORT[e], LABELS, strict=True)
            ]
            alone = net.decide(net.encoder(torch.stack(tokens)[None])[0, 0])
            assert torch.allclose(actual[e, q], alone, atol=1e-10)


def test_the_order_of_the_support_set_does_not_matter() -> None:
    net, order = network(), torch.randperm(6, generator=rng(3))
    plain = net(SUPPORT, LABELS, QUERY[:, 0])
    assert torch.allclose(plain, net(SUPPORT[:, order], LABELS[order], QUERY[:, 0]), atol=1e-10)
    assert not torch.allclose(plain, net(SUPPORT[:, order], LABELS, QUERY[:, 0]), atol=1e-3)


def test_weights_come_from_the_stream_alone_and_layers_differ() -> None:
    nets = []
    for state in (1, 2):
        torch.manual_seed(state)
        nets.append(network().state_dict())
    assert all(torch.equal(weight, nets[1][name]) for name, weight in nets[0].items())
    first, second = (nets[0][f"encoder.layers.{index}.linear1.weight"] for index in (0, 1))
    assert not torch.equal(first, second)


# --- tasks --------------------------------------------------------------------------------------


def recovered(start: int, ids: tuple[int, ...], each: int = 4) -> SurrogateSet:
    """Make a set whose images encode their number in one corner and are dark in the other."""
    count = each * len(ids)
    images = torch.zeros(count, 3, 1, 2)
    images[:, :, 0, 0] = torch.arange(start, start + count).view(-1, 1).float()
    labels = torch.arange(len(ids)).repeat_interleave(each)
    logits = torch.zeros(count, len(ids))
    return SurrogateSet(Shots(images, labels), ids, logits, logits, f"lora-{start}")


SETS = [recovered(0, (7, 8)), recovered(8, (8, 9))]


def pixels(images: Tensor) -> Tensor:
    return images[:, 0, 0]


def test_tasks_mix_classes_and_share_no_image_between_support_and_query() -> None:
    tasks = feature_tasks(SETS, pixels, 3, 1)
    assert tasks.features.shape == (2, 16, 2)
    assert {class_id: len(owners) for class_id, owners in tasks.groups.items()} == {7: 1, 8: 2, 9: 1}
    support, query = tasks.draw(3, 1, 3, 40, rng())
    assert (support.shape, query.shape) == ((40, 3, 2), (40, 9, 2))
    sets = {tuple(m.tolist()): c for c, owners in tasks.groups.items() for m in owners}
    for t in range(40):
        in_support, in_query = (part[t].sum(-1).long().tolist() for part in (support, query))  # one corner is dark
        assert not set(in_support) & set(in_query)
        for c in range(3):
            together = tuple(sorted([in_support[c], *in_query[3 * c : 3 * c + 3]]))
            assert together in sets
    mirrored = (support[..., 0] < support[..., 1]).double().mean()
    assert 0.3 < float(mirrored) < 0.7


def test_the_smallest_class_limits_the_number_of_queries() -> None:
    tasks = feature_tasks(SETS, pixels, 3, 1)
    assert (tasks.queries(1, 15), tasks.queries(1, 2)) == (3, 2)


def test_too_few_images_are_errors() -> None:
    with pytest.raises(PoolError, match="Raise per_class"):
        feature_tasks(SETS, pixels, 3, 4)
    with pytest.raises(PoolError, match="Tasks of 4 classes"):
        feature_tasks(SETS, pixels, 4, 1)


def test_training_raises_the_accuracy_on_new_tasks() -> None:
    """Classes are directions; only the support set determines their labels."""
    directions = torch.eye(6, dtype=torch.float64).repeat_interleave(4, 0)
    noisy = directions + 0.1 * torch.randn(24, 6, generator=rng(), dtype=torch.float64)
    groups = {c: [torch.arange(4 * c, 4 * c + 4)] for c in range(6)}
    tasks = FeatureTasks(torch.stack([noisy, noisy]), groups)
    net = network()
    support, query = tasks.draw(3, 1, 3, 50, rng(9))
    labels = torch.arange(3).repeat_interleave(3)
    before = float((in_context(net, support, query, 3).argmax(-1) == labels).double().mean())
    Caml(iterations=150, tasks=8, lr=3e-3).train(net, tasks, (3, 1, 3), rng(1), range(150))
    after = float((in_context(net, support, query, 3).argmax(-1) == labels).double().mean())
    assert before < 0.6
    assert after > 0.9


def test_caml_is_data_free_and_tuning_free(toy: Toy) -> None:
    options = ("inversion=gaussian-noise", "iterations=2", "per_class=5", "depth=1", "label_width=16", "heads=4")
    record = toy.record("caml", options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
    assert "in-context training" in [stage.stage for stage in record.stages]
