"""Read third-party LoRAs: PEFT adapter folders, and the files of the LoRA Recycle authors' code.

Layers are recognised by the end of their names, for models with fused (timm) or separate (Hugging Face) q, k and v.
Nothing is unpickled: labels come from JSON, tensors from safetensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.pool import ADAPTER_CARD, POOL_CARD
from freeshot.pool.cards import is_folder_name, read_json
from freeshot.pool.peft_format import CONFIG, PREFIX, WEIGHTS, take_factors
from freeshot.pool.store import HEAD, load_tensors

BlockTarget = tuple[int, str]
"""Block and target: 0-based index, and one of qkv, q, k, v, proj, fc1, fc2."""

LONGEST = 200
"""Maximal length of a layer's name; regular expressions with repetitions are slow on long ones."""
MORE_THAN_PLAIN = (
    "use_dora", "fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "monteclora_config", "arrow_config",
    "alora_invocation_tokens", "layer_replication", "target_parameters", "trainable_token_indices",
)  # fmt: skip
"""PEFT settings under which an adapter is not B·A added to linear layers, or not for every input."""
HARMLESS_STARTS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""LoRA initialisations that leave the network unchanged; PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA subtract from its
weights."""

LAYERS = {
    "attn.qkv": "qkv",
    "attn.proj": "proj",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
    "self_attn.q_proj": "q",
    "self_attn.k_proj": "k",
    "self_attn.v_proj": "v",
    "self_attn.out_proj": "proj",
    "attention.attention.query": "q",
    "attention.attention.key": "k",
    "attention.attention.value": "v",
    "attention.output.dense": "proj",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
}
"""Ends of layer names in timm, in Hugging Face's CLIP, SigLIP and DINOv2, and in its ViT and DeiT."""
BLOCK = re.compile(r"(?:^|\.)(?:blocks|layers|layer|resblocks)\.(\d{1,6})\.")
REPAIR = "Export the adapter again."
HEADS = ("classifier", "head", "fc")
PAPER_FILE = re.compile(r"lora_(\d+)\.safetensors")
PAPER_FACTOR = re.compile(r"w_a_(\d{1,6})")
PAPER_HEAD = re.compile(r"fc_(\d+)in_(\d+)out")


@dataclass(frozen=True, eq=False)
class ExternalLora:
    """One third-party LoRA as read from its files."""

    name: str
    file: Path
    """The file to name in error messages."""
    factors: Mapping[BlockTarget, tuple[Tensor, Tensor]]
    """A [r, i] and B [o, r], scaling folded into B."""
    head_weight: Tensor
    """[c, d]."""
    head_bias: Tensor | None
    """[c]; None if it was not saved."""
    labels: tuple[str, ...]
    """Class names; empty if they were not saved."""
    network: str = ""
    """Name of the network it was tuned on, if it was saved."""
    network_sha256: str = ""
    """Hash of that network's weights, if there is a FreeShot card."""

    def __post_init__(self) -> None:
        """Refuse a LoRA without factors or head, or with another number of labels."""
        weight, bias = self.head_weight, self.head_bias
        if not self.factors:
            raise PoolError(f"{self.file} has no LoRA factors. Export the adapter again.")
        if weight.ndim != 2:
            raise _no_head(self.file)
        if bias is not None and bias.shape != weight.shape[:1]:
            raise PoolError(f"{self.file}: the head's bias does not fit its weight. Export the head again.")
        if self.labels and len(self.labels) != len(weight):
            raise PoolError(
                f"{self.file} has a head of {len(weight)} classes, but {len(self.labels)} labels. Correct the labels."
            )


def find_loras(folder: Path) -> list[Path]:
    """List LoRAs: PEFT folders at any depth, and files `lora_0.safetensors`; PoolError if there are none."""
    folders = [config.parent for config in sorted(folder.rglob(CONFIG))]
    files = sorted(
        (path for path in folder.rglob("lora_*.safetensors") if PAPER_FILE.fullmatch(path.name)),
        key=lambda path: (path.parent, _number(path)),
    )
    if not folders and not files:
        raise PoolError(
            f"{folder} contains no LoRA: neither folders with an adapter_config.json, as PEFT saves them, nor files "
            "lora_0.safetensors. Choose the folder with the LoRAs."
        )
    return [*folders, *files]


def inner_loras(folder: Path) -> tuple[str, ...]:
    """List the LoRAs nested in another one's folder, such as a trainer's checkpoints; PoolError if there is no LoRA."""
    paths = set(find_loras(folder))
    return tuple(str(path.relative_to(folder)) for path in sorted(paths) if not paths.isdisjoint(path.parents))


def read_lora(path: Path, root: Path) -> ExternalLora:
    """Read one LoRA of either format; PoolError names the file and the problem."""
    inner = path.relative_to(root.parent if path == root else root)
    name = (inner.with_suffix("") if path.is_file() else inner).as_posix().replace("/", "-")
    if not is_folder_name(name):
        raise PoolError(f"{path} has a name that is not a valid folder name on all systems. Rename it.")
    return _read_peft(path, name) if path.is_dir() else _read_paper(path, name)


@dataclass(frozen=True, eq=False)
class PeftFactors:
    """The factors of a PEFT adapter, and what else its files hold."""

    file: Path
    """The file of weights."""
    config: Mapping[str, Any]
    factors: Mapping[BlockTarget, tuple[Tensor, Tensor]]
    """A [r, i] and B [o, r], scaling folded into B."""
    rest: dict[str, Tensor]
    """The other tensors of the file, such as a head."""

    @property
    def network(self) -> str:
        """Name of the network it was tuned on, or ''."""
        return str(self.config.get("base_model_name_or_path") or "")

    @property
    def network_sha256(self) -> str:
        """Hash of that network's weights, if there is a FreeShot card, or ''."""
        return _network_hash(self.file.parent)

    def require_nothing_else(self) -> None:
        """Refuse weights other than factors and those that were taken out of `rest`."""
        if self.rest:
            raise PoolError(
                f"{self.file} also holds '{min(self.rest)}', which is neither a factor of a LoRA nor a head. Merge it, "
                "or export the adapter without it."
            )


def read_factors(folder: Path) -> PeftFactors:
    """Read the factors of a PEFT adapter; PoolError names the file and the problem."""
    config = read_json(folder / CONFIG, REPAIR)
    file = folder / WEIGHTS
    _require_plain(folder / CONFIG, config)
    tensors = _read_tensors(file)
    factors: dict[BlockTarget, tuple[Tensor, Tensor]] = {}
    for layer, a, b in take_factors(file, tensors):
        target = _target(file, layer)  # first, because only valid layer names are matched with third-party patterns
        factors[target] = (a, b * _scaling(config, layer, len(a)))
    return PeftFactors(file, config, factors, tensors)


def drop_head(adapter: PeftFactors) -> None:
    """Take the head of a classifier, which features do not depend on, out of the rest of an adapter's file."""
    for name in HEADS:
        for part in ("weight", "bias"):
            adapter.rest.pop(f"{PREFIX}{name}.{part}", None)


def _read_peft(folder: Path, name: str) -> ExternalLora:
    read = read_factors(folder)
    head = folder / HEAD
    weight, bias = _head(read.file, read.rest, _read_tensors(head) if head.exists() else {})
    read.require_nothing_else()
    labels = _labels(folder / "labels.json")
    return ExternalLora(name, read.file, read.factors, weight, bias, labels, read.network, read.network_sha256)


def _read_paper(file: Path, name: str) -> ExternalLora:
    """Read the format of the authors' code: w_a_000 is A of q in block 0, w_a_001 A of v, and so on; no head bias."""
    tensors = _read_tensors(file)
    factors: dict[BlockTarget, tuple[Tensor, Tensor]] = {}
    for key in sorted(key for key in tensors if key.startswith("w_a_")):
        match = PAPER_FACTOR.fullmatch(key)
        if match is None:
            raise PoolError(f"{file} contains '{key}', which does not end in a layer number. Save this LoRA again.")
        a, b = tensors[key], tensors.get(key.replace("w_a_", "w_b_"))
        if b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise PoolError(f"{file}: {key} and its w_b do not match. Save this LoRA again.")
        block, is_v = divmod(int(match[1]), 2)
        factors[block, "v" if is_v else "q"] = (a, b)
    heads = [tensor for key, tensor in tensors.items() if PAPER_HEAD.fullmatch(key)]
    if len(heads) != 1:
        raise _no_head(file)
    labels = file.with_name(f"global_label_{_number(file)}.json")
    pickled = labels.with_suffix(".pth")
    if pickled.exists() and not labels.exists():
        raise PoolError(
            f"{pickled} is a pickle, which can run code and is never opened. Save its list as {labels.name}."
        )
    return ExternalLora(name, file, factors, heads[0], None, _labels(labels))


def _no_head(file: Path) -> PoolError:
    return PoolError(f"{file} has no head. Save its weight [classes, features] and bias as head.safetensors.")


def _require_plain(file: Path, config: Mapping[str, Any]) -> None:
    """Refuse adapters other than plain B·A added to linear layers."""
    if not isinstance(config, dict):
        raise PoolError(f"{file} is not a JSON object. Export the adapter again.")
    if config.get("peft_type") != "LORA":
        raise PoolError(f"{file} is an adapter of type {config.get('peft_type')}, not LORA. Only LoRAs can be pooled.")
    for option in MORE_THAN_PLAIN:
        if config.get(option):
            raise PoolError(f"{file} sets {option}, which is more than B·A. Merge it or tune a plain LoRA.")
    start = config.get("init_lora_weights")
    if start not in HARMLESS_STARTS:
        raise PoolError(
            f"{file} has init_lora_weights={start!r}, which changed the network itself when tuning began. Save the "
            "adapter as a plain LoRA: PEFT's save_pretrained does with path_initial_model_for_weight_conversion."
        )
    if config.get("bias", "none") != "none":
        raise PoolError(f"{file} tunes biases as well ({config['bias']}). Tune a LoRA with bias='none'.")
    pattern = config.get("alpha_pattern") or {}
    if not isinstance(pattern, dict) or not all(isinstance(key, str) and _harmless(key) for key in pattern):
        raise PoolError(
            f"{file} has an invalid alpha_pattern: expected layer names, or simple patterns of them. Write the full "
            "names of the layers."
        )
    for alpha in (config.get("lora_alpha") or 1, *pattern.values()):
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1e9:
            raise PoolError(f"{file} has a lora_alpha of {alpha!r}, which is not a positive number. Export it again.")


def _harmless(pattern: str) -> bool:
    """Return whether a third-party pattern is valid and cannot be slow: no repeated group, few repetitions."""
    try:
        _as_peft_matches(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return len(pattern) < 200 and sum(map(pattern.count, "*+{")) <= 3 and re.search(r"\)[*+{?]", pattern) is None


def _scaling(config: Mapping[str, Any], layer: str, rank: int) -> float:
    """Return PEFT's scaling of B·A for a layer: that of the first matching pattern, or the general one."""
    patterns = config.get("alpha_pattern") or {}
    alphas = (alpha for pattern, alpha in patterns.items() if _as_peft_matches(pattern).match(layer))
    alpha = next(alphas, config.get("lora_alpha") or rank)
    return float(alpha) / float(rank**0.5 if config.get("use_rslora") else rank)


def _as_peft_matches(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(.*\.)?({pattern})$")


def _target(file: Path, layer: str) -> BlockTarget:
    block = BLOCK.search(layer)
    ends = sorted((end for end in LAYERS if layer.endswith(f".{end}")), key=len)
    if block is None or not ends or len(layer) > LONGEST:
        raise PoolError(
            f"{file} tunes the layer {layer}, which is not a supported linear layer. Remove it from the adapter."
        )
    return int(block.group(1)), LAYERS[ends[-1]]


def _head(file: Path, adapter: dict[str, Tensor], head: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Take the head from its own file, or from the modules that PEFT saved with the adapter."""
    if "weight" in head:
        return head["weight"], head.get("bias")
    for name in HEADS:
        weight = adapter.pop(f"{PREFIX}{name}.weight", None)
        if weight is not None:
            return weight, adapter.pop(f"{PREFIX}{name}.bias", None)
    raise _no_head(file)


def _labels(file: Path) -> tuple[str, ...]:
    if not file.exists():
        return ()
    content = read_json(file, REPAIR)
    try:
        labels = tuple(map(str, TypeAdapter(list[str | int]).validate_python(content, strict=True)))
        "".join(labels).encode()
    except ValueError:  # of pydantic, or because a label is not valid Unicode
        raise PoolError(
            f"{file} must be a JSON list of class names, one for each output of the head. Correct it."
        ) from None
    return labels


def _network_hash(folder: Path) -> str:
    """Read the network's hash from the FreeShot card of an adapter or pool; empty without a card."""
    for card in (folder / ADAPTER_CARD, folder.parent / POOL_CARD):
        if card.exists():
            stated = read_json(card, REPAIR)
            return str(stated.get("backbone_sha256", "")) if isinstance(stated, dict) else ""
    return ""


def _number(path: Path) -> int:
    match = PAPER_FILE.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _read_tensors(file: Path) -> dict[str, Tensor]:
    if not file.exists() and (pickle := file.with_suffix(".bin")).exists():
        raise PoolError(f"{pickle} is a pickle, which is never opened. Save it with safe_serialization=True.")
    return load_tensors(file)
