"""Published networks work with the engine: LoRAs act, patches are dropped or this is refused, and cells run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from freeshot.basics.errors import DataError, OptionError
from freeshot.contracts.component import build, name_and_options, options_of, spelled
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tensors import LayerView
from freeshot.engine import Backbone, BankTeacher, LoraBank, forward, merge, open_backbone, slots_of
from freeshot.engine.inversion.mask_only import only_masks
from freeshot.engine.lora.bank import TARGETS
from freeshot_vision.backbones.providers import NUMBERS, PROVIDERS, ClipVitB16, TimmVit

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

TINY: dict[str, Any] = {"weights": "random", "side": 16, "patch": 4, "width": 24, "depth": 3, "heads": 3}
FAMILIES = {
    "clip": TimmVit(model="vit_base_patch16_clip_quickgelu_224", project=16, **TINY),
    "dinov2": TimmVit(model="vit_small_patch14_dinov2", **TINY),
    "deit": TimmVit(model="deit_small_patch16_224", **TINY),
    "siglip": TimmVit(model="vit_base_patch16_siglip_224", **TINY),
    "eva": TimmVit(model="eva_large_patch14_196", **TINY),
    "registers": TimmVit(model="vit_small_patch14_reg4_dinov2", **TINY),
}
BEHIND_ONE_TOKEN = ("clip", "dinov2", "deit", "eva")


class Halving(EfficiencyStrategy):
    name = "halving"

    def layers(self, depth: int) -> tuple[int, ...]:
        return (1,)

    def select(self, view: LayerView) -> Tensor:
        return view.kept[:, ::2]


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def opened() -> dict[str, Backbone]:
    return {name: open_backbone(provider) for name, provider in FAMILIES.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_forward_gives_the_features_of_the_plain_network(
    family: str, opened: dict[str, Backbone], images: Tensor
) -> None:
    backbone = opened[family]
    assert torch.equal(forward(backbone, images).features, backbone.vit(backbone.normalize(images)))
    assert forward(backbone, images).features.shape == (4, 16 if family == "clip" else 24)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_lora_acts_on_every_layer_and_merges(
    family: str, target: str, opened: dict[str, Backbone], images: Tensor
) -> None:
    backbone = opened[family]
    rng = torch.Generator().manual_seed(1)
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit, (target,)), 2, 1, rng)
    plain = forward(backbone, images).features
    assert torch.equal(forward(backbone, images, bank).features, plain)
    with torch.no_grad():
        for b in bank.b:
            b.copy_(torch.randn(b.shape, generator=rng))
        changed = forward(backbone, images, bank).features
        assert not torch.equal(changed, plain)
        assert torch.allclose(merge(backbone.vit, bank)(backbone.normalize(images)), changed, atol=1e-5)


@pytest.mark.parametrize("family", BEHIND_ONE_TOKEN)
def test_patches_can_be_dropped(family: str, opened: dict[str, Backbone], images: Tensor) -> None:
    everything = torch.arange(16).expand(4, -1)
    backbone = opened[family]
    assert torch.allclose(
        forward(backbone, images, kept=everything).features, forward(backbone, images).features, atol=1e-6
    )
    seen = forward(backbone, images, strategy=Halving())
    assert seen.kept is not None
    assert seen.kept[0].tolist() == list(range(0, 16, 2))


@pytest.mark.parametrize("family", BEHIND_ONE_TOKEN)
def test_a_strategy_that_keeps_all_patches_changes_nothing(
    family: str, opened: dict[str, Backbone], images: Tensor
) -> None:
    class Keeping(Halving):
        def select(self, view: LayerView) -> Tensor:
            return view.kept

    requested = forward(opened[family], images, strategy=Keeping()).features
    assert torch.allclose(requested, forward(opened[family], images).features, atol=1e-5)


@pytest.mark.parametrize(("family", "before"), [("siglip", 0), ("registers", 5)])
def test_without_exactly_one_class_token_patches_cannot_be_dropped(
    family: str, before: int, opened: dict[str, Backbone], images: Tensor
) -> None:
    for requested in ({"kept": torch.arange(8).expand(4, -1)}, {"strategy": Halving()}):
        with pytest.raises(OptionError) as caught:
            forward(opened[family], images, **requested)
        assert str(caught.value) == (
            f"Patch selection needs exactly one class token, but this network has {before} tokens before its "
            "patches. Choose strategy=none, an inversion that uses logits only, or another backbone."
        )


def test_masks_after_the_inversion_need_a_class_token(opened: dict[str, Backbone]) -> None:
    last = replace_layers(Halving(), -1)
    assert {family for family in FAMILIES if only_masks(opened[family].vit, last)} == {
        "clip", "dinov2", "deit", "registers",
    }  # fmt: skip


def replace_layers(strategy: Halving, layer: int) -> Halving:
    class Last(Halving):
        def layers(self, depth: int) -> tuple[int, ...]:
            return (layer,)

    return Last()


def test_an_inversion_cannot_use_a_missing_class_token(opened: dict[str, Backbone], images: Tensor) -> None:
    from freeshot.contracts.pool import LoraEntry

    backbone = opened["siglip"]
    rng = torch.Generator().manual_seed(0)
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), 2, 1, rng)
    entry = LoraEntry("a", 2, bank.entry_factors(0), torch.ones(2, 24), torch.zeros(2), ("x", "y"), (0, 1), {})
    teacher = BankTeacher(backbone, [entry])
    assert teacher.logits(images).shape == (4, 2)
    with pytest.raises(OptionError, match="needs exactly one class token"):
        teacher.logits_and_tokens(images)


def test_normalisation_and_scaling_are_part_of_a_networks_hash() -> None:
    plain = FAMILIES["clip"]
    ways = [plain, replace(plain, normalize="imagenet"), replace(plain, scale="l2"), replace(plain, project=0)]
    assert len({open_backbone(way).sha256 for way in ways}) == len(ways)
    assert open_backbone(plain).sha256 == open_backbone(replace(plain, normalize="clip")).sha256


def test_every_choice_is_an_option_and_thus_in_the_spec() -> None:
    assert {"weights", "revision", "sha256", "normalize", "scale", "side", "features"} <= set(options_of(ClipVitB16))


def test_l2_normalises_features_to_length_one(images: Tensor) -> None:
    backbone = open_backbone(replace(FAMILIES["clip"], scale="l2"))
    plain = open_backbone(FAMILIES["clip"])
    expected = torch.nn.functional.normalize(forward(plain, images).features, dim=-1)
    assert torch.allclose(forward(backbone, images).features, expected)


def test_random_weights_depend_on_their_seed_alone() -> None:
    hashes = [open_backbone(replace(FAMILIES["deit"], seed=seed)).sha256 for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_papers_choices_are_the_defaults_of_clip() -> None:
    clip = ClipVitB16()
    assert (clip.features, clip.normalize, clip.scale) == ("projected", "imagenet", "none")
    assert (clip.timm_arguments()["projection"], clip.normalization(), clip.image_size()) == (
        512,
        NUMBERS["imagenet"],
        224,
    )
    assert ClipVitB16(normalize="own").normalization() == NUMBERS["clip"]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_the_normalisation_of_a_network_is_that_of_timm(provider: Any) -> None:
    from timm.models import get_pretrained_cfg

    chosen = provider(normalize="own")
    config = get_pretrained_cfg(chosen.timm_arguments()["model"])
    if config is not None and config.mean is not None:  # timm has CLIP only under the names of its weights
        assert chosen.normalization() == (tuple(config.mean), tuple(config.std))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"model": "vit_bose"},
            "timm has no network 'vit_bose'. See timm.list_models('vit_*') for all names.",
        ),
        (
            {"model": "eva02_base_patch16_clip_224", "heads": 0, "width": 0, "depth": 1},
            (
                "'eva02_base_patch16_clip_224' is not a plain vision transformer: its blocks have separate q, k and v, "
                "rotary positions, or several class tokens, which LoRAs and pruning do not support. Choose "
                "another, such as eva_large_patch14_196 of EVA."
            ),
        ),
        (
            {"side": 18},
            "Images of 18 px cannot be cut into patches of 4. Give side a multiple of 4.",
        ),
    ],
)
def test_unsupported_networks_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        build(TimmVit, {**TINY, **options}).build()
    assert str(caught.value) == sentence


@pytest.mark.parametrize("options", [{"width": 25}, {"model": "resnet18"}])
def test_a_network_that_timm_cannot_build_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"^timm cannot build '\w+' like this \(.+\)\. Choose other sizes or a plain"):
        build(TimmVit, {**TINY, **options}).build()


def test_a_backbones_options_follow_its_name() -> None:
    assert name_and_options("clip-vit-b16") == ("clip-vit-b16", {})
    text = "clip-vit-b16:normalize=own,scale=l2"
    name, options = name_and_options(text)
    assert (name, options) == ("clip-vit-b16", {"normalize": "own", "scale": "l2"})
    assert spelled(build(ClipVitB16, options)) == text
    with pytest.raises(OptionError) as caught:
        name_and_options("timm:side")
    assert str(caught.value) == (
        "Invalid option 'side' in 'timm:side': expected NAME:KEY=VALUE,KEY=VALUE, as in timm:side=224."
    )


SPELLED = spelled(FAMILIES["clip"])


def test_a_whole_cell_runs_and_is_not_comparable(toy: Any) -> None:
    record = toy.record("frozen-prototype", backbone=SPELLED)
    assert record.status == "ok", record.reason
    assert not record.comparable
    assert record.spec.backbone.options["model"] == "vit_base_patch16_clip_quickgelu_224"
    assert record.hashes["backbone"] == open_backbone(FAMILIES["clip"]).sha256


def test_normalisation_makes_another_cell(toy: Any) -> None:
    (first,) = toy.plan("frozen-prototype", backbone=SPELLED).cells
    (second,) = toy.plan("frozen-prototype", backbone=f"{SPELLED},normalize=half").cells
    assert first.spec.cell != second.spec.cell


def test_a_pool_of_a_timm_network_is_built_recycled_and_scored(toy: Any, tmp_path: Path) -> None:
    from freeshot import Track
    from freeshot.pool.build import PoolRequest, build_pool

    requested = PoolRequest(
        name="clipped", out=tmp_path / "pool", sources=("toy-waves",), count=2, backbone=SPELLED, rank=2,
        targets=("q", "v"), steps=2, batch=4, lr=1e-3, flip=True, shift=0.0, clip=0.0, way=2, seed=0,
        device="cpu", data=tmp_path,
    )  # fmt: skip
    pool = build_pool(requested, toy.catalogue, toy.catalogue.host)
    track = Track("clipped/2w1s", "toy-waves", "clipped", ("toy-waves",), SPELLED, way=2, query=3, episodes=4)
    toy.offer(tracks=[track], pools=[("clipped", str(pool.path))])
    options = ("learner.iterations=2", "learner.warmup=1", "per_class=4", "inversion.iterations=2",
               "inversion.prior=none")  # fmt: skip
    record = toy.record("lora-recycle", suite=None, track=track.name, options=options)
    assert record.status == "ok", record.reason


def test_a_named_network_reads_its_weights_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    from freeshot_vision.backbones.timm_network import untrained

    monkeypatch.setenv("FREESHOT_WEIGHTS", str(tmp_path))
    sizes = {key: value for key, value in TINY.items() if key not in ("weights", "side")}
    provider = TimmVit(model="deit_small_patch16_224", side=16, **sizes)
    with pytest.raises(DataError, match=r"were not found: .*timm\.safetensors does not exist"):
        open_backbone(provider)
    vit = untrained(side=16, seed=5, **provider.timm_arguments())
    save_file(vit.state_dict(), tmp_path / "timm.safetensors")
    assert open_backbone(provider).sha256 == open_backbone(replace(provider, weights="random", seed=5)).sha256
