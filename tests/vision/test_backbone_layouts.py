"""Weights in every layout give the features of their own library, to the last digits of float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from freeshot.basics.errors import DataError
from freeshot.engine import weights_sha256
from freeshot_vision.backbones.timm_network import fill, untrained
from freeshot_vision.backbones.weight_layouts import as_timm

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

SIZES: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 32, "patch_size": 8}
SMALL = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
CLIP = "vit_base_patch16_clip_quickgelu_224"


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def scattered(model: nn.Module) -> nn.Module:
    """Give every weight a random value, also those that are initialised to zero or one."""
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.double().parameters():
            around = 1.0 if weight.ndim == 1 and bool((weight == 1).all()) else 0.0
            spread = 0.3 if weight.ndim < 2 else 1.2 / weight.shape[-1] ** 0.5
            weight.copy_(around + spread * torch.randn(weight.shape, generator=rng, dtype=weight.dtype))
    return model.eval()


def clip() -> Any:
    import transformers

    config = transformers.CLIPVisionConfig(hidden_size=24, intermediate_size=96, projection_dim=16, **SIZES)
    return scattered(transformers.CLIPVisionModelWithProjection(config))


def siglip() -> Any:
    import transformers

    return scattered(
        transformers.SiglipVisionModel(transformers.SiglipVisionConfig(hidden_size=24, intermediate_size=96, **SIZES))
    )


def vit(kind: str) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(hidden_size=24, intermediate_size=96, layer_norm_eps=1e-6, **SIZES)
    return scattered(getattr(transformers, f"{kind}Model")(config))


def dinov2(kind: str) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(hidden_size=24, mlp_ratio=4, **SIZES)
    return scattered(getattr(transformers, f"{kind}Model")(config))


def saved(model: Any, folder: Any) -> dict[str, Tensor]:
    """Return the weights as the library writes them to a file."""
    from safetensors.torch import load_file

    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def filled(name: str, weights: dict[str, Tensor], projection: int = 0, **more: Any) -> VisionTransformer:
    network = untrained(name, 32, projection, **{**SMALL, **more}).double().eval()
    fill(network, as_timm(weights, "weights"), "weights")
    return network


def class_token(out: Any) -> Tensor:
    token: Tensor = out.last_hidden_state[:, 0]
    return token


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Tensor], str, int, dict[str, Any]]] = {
    "clip": (clip, lambda out: out.image_embeds, CLIP, 16, {}),
    "siglip": (
        siglip, lambda out: out.pooler_output, "vit_base_patch16_siglip_224", 0, {"act_layer": "gelu_tanh"},
    ),
    "vit": (partial(vit, "ViT"), class_token, "vit_base_patch16_224", 0, {}),
    "dinov2": (partial(dinov2, "Dinov2"), class_token, "vit_small_patch14_dinov2", 0, {}),
    "dinov2-registers": (
        partial(dinov2, "Dinov2WithRegisters"), class_token, "vit_small_patch14_reg4_dinov2", 0, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_hugging_faces_weights_give_its_features(kind: str, images: Tensor, tmp_path: Any) -> None:
    make, features, name, projection, more = MODELS[kind]
    theirs = make()
    ours = filled(name, saved(theirs, tmp_path), projection, **more)
    with torch.no_grad():
        assert (ours(images) - features(theirs(pixel_values=images))).abs().max() <= 1e-10
        assert features(theirs(pixel_values=images)).std() > 0.1


def test_deits_weights_are_those_of_a_vit_without_a_second_token(images: Tensor, tmp_path: Any) -> None:
    import transformers

    config = transformers.ViTConfig(hidden_size=24, intermediate_size=96, layer_norm_eps=1e-6, **SIZES)
    theirs: Any = scattered(transformers.ViTForImageClassification(config))
    ours = filled("deit_small_patch16_224", saved(theirs, tmp_path))
    with torch.no_grad():
        assert (ours(images) - class_token(theirs.vit(images))).abs().max() <= 1e-10


def test_a_distilled_deit_is_refused_for_its_second_token(tmp_path: Any) -> None:
    with pytest.raises(DataError, match=r"also has 'embeddings\.distillation_token', which the network lacks"):
        filled("deit_small_patch16_224", saved(vit("DeiT"), tmp_path))


def openai(theirs: Any) -> dict[str, Tensor]:
    """Write CLIP as OpenAI does: q, k and v fused, the projection transposed, and a text tower beside it."""
    state = {name.removeprefix("vision_model."): tensor for name, tensor in theirs.state_dict().items()}
    out: dict[str, Tensor] = {
        "visual.class_embedding": state.pop("embeddings.class_embedding"),
        "visual.positional_embedding": state.pop("embeddings.position_embedding.weight"),
        "visual.conv1.weight": state.pop("embeddings.patch_embedding.weight"),
        "visual.proj": state.pop("visual_projection.weight").T,
        "logit_scale": torch.tensor(4.6),
        "transformer.resblocks.0.ln_1.weight": torch.ones(8),
        "token_embedding.weight": torch.ones(5, 8),
    }
    for end in ("weight", "bias"):
        out[f"visual.ln_pre.{end}"] = state.pop(f"pre_layrnorm.{end}")
        out[f"visual.ln_post.{end}"] = state.pop(f"post_layernorm.{end}")
        for layer in range(2):
            old, new = f"encoder.layers.{layer}.", f"visual.transformer.resblocks.{layer}."
            out[f"{new}attn.in_proj_{end}"] = torch.cat([state.pop(f"{old}self_attn.{x}_proj.{end}") for x in "qkv"])
            out[f"{new}attn.out_proj.{end}"] = state.pop(f"{old}self_attn.out_proj.{end}")
            out[f"{new}ln_1.{end}"] = state.pop(f"{old}layer_norm1.{end}")
            out[f"{new}ln_2.{end}"] = state.pop(f"{old}layer_norm2.{end}")
            out[f"{new}mlp.c_fc.{end}"] = state.pop(f"{old}mlp.fc1.{end}")
            out[f"{new}mlp.c_proj.{end}"] = state.pop(f"{old}mlp.fc2.{end}")
    assert not state
    return out


def test_openais_layout_gives_the_same_features(images: Tensor) -> None:
    theirs = clip()
    with torch.no_grad():
        difference = filled(CLIP, openai(theirs), 16)(images) - theirs(pixel_values=images).image_embeds
    assert difference.abs().max() <= 1e-10


def test_the_hash_of_a_network_does_not_depend_on_the_layout_of_its_file(tmp_path: Any) -> None:
    theirs = clip()
    first = filled(CLIP, openai(theirs), 16)
    second = filled(CLIP, saved(theirs, tmp_path), 16)
    third = filled(CLIP, dict(first.state_dict()), 16)
    assert len({weights_sha256(network) for network in (first, second, third)}) == 1


def test_the_text_tower_of_a_whole_clip_model_is_ignored(images: Tensor, tmp_path: Any) -> None:
    import transformers

    whole: Any = scattered(
        transformers.CLIPModel(
            transformers.CLIPConfig(
                text_config={"hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 1,
                             "num_attention_heads": 2, "vocab_size": 40},
                vision_config={"hidden_size": 24, "intermediate_size": 96, **SIZES},
                projection_dim=16,
            )
        )
    )  # fmt: skip
    ours = filled(CLIP, saved(whole, tmp_path), 16)
    with torch.no_grad():
        expected = whole.visual_projection(whole.vision_model(pixel_values=images).pooler_output)
        assert (ours(images) - expected).abs().max() <= 1e-10


def test_without_a_projection_the_class_token_before_it_is_the_feature(images: Tensor) -> None:
    theirs = clip()
    ours = filled(CLIP, theirs.state_dict())
    with torch.no_grad():
        assert (ours(images) - theirs.vision_model(pixel_values=images).pooler_output).abs().max() <= 1e-10


def test_positions_are_interpolated_as_by_timm() -> None:
    from timm.layers.pos_embed import resample_abs_pos_embed

    weights = dict(untrained("vit_base_patch16_224", 64, 0, **SMALL).double().state_dict())
    ours = filled("vit_base_patch16_224", weights)
    expected = resample_abs_pos_embed(weights["pos_embed"], [4, 4], [8, 8], num_prefix_tokens=1)
    assert torch.equal(ours.state_dict()["pos_embed"], expected)


def changed(change: Callable[[dict[str, Tensor]], object]) -> dict[str, Tensor]:
    weights = dict(clip().state_dict())
    change(weights)
    return weights


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda w: w.pop("vision_model.encoder.layers.1.mlp.fc1.bias"),
            "weights has no 'blocks.1.mlp.fc1.bias', which the network needs. Provide weights of this network.",
        ),
        (
            lambda w: w.pop("vision_model.encoder.layers.1.self_attn.k_proj.weight"),
            "weights has no 'blocks.1.attn.qkv.weight', which the network needs. Provide weights of this network.",
        ),
        (
            lambda w: w.update({"vision_model.extra.weight": torch.ones(2)}),
            "weights also has 'extra.weight', which the network lacks. Provide weights of this network.",
        ),
        (
            lambda w: w.update({"visual_projection.weight": torch.ones(8, 24)}),
            "'head.bias' in weights has shape [8], but the network needs [16]. Provide weights of this network.",
        ),
        (
            lambda w: w.update({"vision_model.embeddings.position_embedding.weight": torch.ones(12, 24)}),
            (
                "'pos_embed' in weights has shape [1, 12, 24], but the network needs [1, 17, 24]. Provide weights of "
                "this network."
            ),
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    change: Callable[[dict[str, Tensor]], object], sentence: str
) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        filled(CLIP, changed(change), 16)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        as_timm({"conv1.weight": torch.ones(1), "layer1.0.bn1.bias": torch.ones(1)}, "resnet.pt")
    assert str(caught.value) == (
        "resnet.pt has weights in an unknown layout (the first is 'conv1.weight'); expected are those of timm, "
        "Hugging Face or OpenAI's CLIP. Save the network with one of them."
    )
