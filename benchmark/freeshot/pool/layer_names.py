"""Names of a vision transformer's linear layers: which layer of which block, and what cannot be used.

Layers are recognised by the end of their names, for models with fused (timm) or separate (Hugging Face) q, k and v.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

BlockTarget = tuple[int, str]
"""Block and target: 0-based index, and one of qkv, q, k, v, proj, fc1, fc2."""

LONGEST = 200
"""Maximal length of a layer's name; regular expressions with repetitions are slow on long ones."""
LAYERS = {
    "attn.qkv": "qkv",
    "attn.proj": "proj",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
    "self_attn.q_proj": "q",
    "self_attn.k_proj": "k",
    "self_attn.v_proj": "v",
    "self_attn.out_proj": "proj",
    "attention.q_proj": "q",
    "attention.k_proj": "k",
    "attention.v_proj": "v",
    "attention.o_proj": "proj",
    "attention.attention.query": "q",
    "attention.attention.key": "k",
    "attention.attention.value": "v",
    "attention.output.dense": "proj",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
}
"""Ends of layer names in timm; in Hugging Face's CLIP and SigLIP; in its ViT, DeiT and DINOv2 since version 5 of
`transformers`; and in those before."""
BLOCK = re.compile(r"(?:^|\.)(?P<container>blocks|layers|layer|resblocks)\.(?P<block>\d{1,6})\.")
UNSUPPORTED = {
    r"(^|\.)(text_model|language_model|text|decoder|bert|roberta)\.": "a part of a text model",
    r"(^|\.)model\.layers\.\d+\.self_attn\.": "a part of a text model",
    r"(^|\.)(beit|data2vec_vision)\.": "a part of BEiT, whose attention adds a relative position bias",
    r"(^|\.)(swin|swinv2)\.": "a part of Swin, whose attention works in windows",
    r"(^|\.)model\.layer\.\d+\.": "a part of DINOv3, whose attention rotates q and k by position",
    r"(^|\.)(patch_embed|patch_embeddings?|conv1)(\.|$)": "the patch embedding",
    r"(^|\.)(attn_pool|pooler|head\.(attention|mlp))\.": "the pooling head",
    r"(^|\.)(visual|text)_projection$": "the projection of the features",
    r"(^|\.)(classifier|score|head|fc)(\.|$)": "the classifier, whose full weights modules_to_save would keep",
    r"\.(weights_in|weights_out|w12|w3|gate_proj|up_proj|down_proj)$": "a part of a gated MLP",
}
"""Patterns of layer names → what they are; such layers cannot be used."""


def block_target(layer: str) -> BlockTarget | None:
    """Return block and target of a layer; None if it is not a supported linear layer."""
    if len(layer) > LONGEST or _part(layer):
        return None
    block = BLOCK.search(layer)
    ends = sorted((end for end in LAYERS if layer.endswith(f".{end}")), key=len)
    return (int(block["block"]), LAYERS[ends[-1]]) if block and ends else None


def explain_unsupported(layer: str, layers: Iterable[str]) -> str:
    """Return a sentence about an unsupported layer, and how to train on the supported ones of `layers` alone."""
    part = _part(layer) if len(layer) <= LONGEST else ""
    what = f": it is {part}" if part else ""
    pattern = training_pattern(layers)
    remedy = f"Train without it: target_modules='{pattern}'" if pattern else "Import LoRAs of a vision transformer"
    return f"tunes the layer {layer}, which is not a supported linear layer{what}. {remedy}."


def training_pattern(layers: Iterable[str]) -> str:
    """Return PEFT's target_modules for the supported layers alone, such as 'blocks.*(qkv|fc1)'; '' without any."""
    supported = [layer for layer in layers if block_target(layer)]
    if not supported:
        return ""
    first = BLOCK.search(supported[0])
    assert first is not None
    ends = sorted({layer.rpartition(".")[2] for layer in supported})
    choice = ends[0] if len(ends) == 1 else f"({'|'.join(ends)})"
    return f"{supported[0][: first.end('container')]}.*{choice}"


def _part(layer: str) -> str:
    return next((part for pattern, part in UNSUPPORTED.items() if re.search(pattern, layer)), "")
