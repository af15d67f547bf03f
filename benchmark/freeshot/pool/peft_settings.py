"""Check a third-party adapter_config.json: plain LoRA only, and settings that agree with the factors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freeshot.basics.errors import PoolError
from freeshot.pool.cards import read_json
from freeshot.pool.peft_format import WEIGHTS

REPAIR = "Export the adapter again."
TYPES = {
    "ADALORA": "AdaLoRA puts singular values between the factors.",
    "BOFT": "BOFT rotates the weights.",
    "FOURIERFT": "FourierFT adds a sparse spectrum.",
    "HRA": "HRA reflects the weights.",
    "IA3": "IA³ rescales activations.",
    "LN_TUNING": "LN tuning changes normalisations.",
    "LOHA": "LoHa adds a Hadamard product of two low-rank matrices.",
    "LOKR": "LoKr adds a Kronecker product.",
    "OFT": "OFT rotates the weights.",
    "VBLORA": "VB-LoRA shares vectors of a bank among the factors.",
    "VERA": "VeRA shares random factors among the layers.",
    "XLORA": "X-LoRA mixes several LoRAs.",
}
"""Types of PEFT adapters other than LoRA, and what they do instead."""
MORE_THAN_PLAIN = {
    "use_dora": "DoRA also rescales the rows of the weights. Train with use_dora=False.",
    "fan_in_fan_out": "It is for layers with transposed weights. Train with fan_in_fan_out=False.",
    "lora_bias": "It adds biases to the factors. Train with lora_bias=False.",
    "use_qalora": "QALoRA averages the inputs of A. Train with use_qalora=False.",
    "use_bdlora": "BD-LoRA has block-diagonal factors. Train without use_bdlora.",
    "kasa_config": "KaSA truncates the weights. Train without kasa_config.",
    "monteclora_config": "MonteCLoRA samples the factors. Train without monteclora_config.",
    "arrow_config": "Arrow routes between several LoRAs. Train without arrow_config.",
    "alora_invocation_tokens": "Activated LoRA acts on some tokens only. Train without alora_invocation_tokens.",
    "layer_replication": "It repeats blocks of the network. Train without layer_replication.",
    "target_parameters": "It tunes parameters that belong to no linear layer. Train without target_parameters.",
    "trainable_token_indices": "It tunes embeddings of text. Train without trainable_token_indices.",
}
"""PEFT settings under which an adapter is not B·A added to linear layers, or not for every input."""
HARMLESS_STARTS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""LoRA initialisations that leave the network unchanged; PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA subtract from its
weights."""
TEXT_TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM", "TOKEN_CLS", "QUESTION_ANS")


def read_settings(file: Path) -> dict[str, Any]:
    """Read an adapter's config; PoolError for adapters other than plain B·A added to linear layers."""
    config = read_json(
        file, REPAIR, f"{file.with_name(WEIGHTS)} has no {file.name} beside it. Copy that file here; PEFT saves both."
    )
    if not isinstance(config, dict):
        raise PoolError(f"{file} is not a JSON object. Export the adapter again.")
    _require_lora(file, config)
    for option, reason in MORE_THAN_PLAIN.items():
        if config.get(option):
            raise PoolError(f"{file} sets {option}, which is more than B·A. {reason}")
    start = config.get("init_lora_weights")
    if start not in HARMLESS_STARTS:
        raise PoolError(
            f"{file} has init_lora_weights={start!r}, which changed the network itself when tuning began. Save the "
            "adapter as a plain LoRA: PEFT's save_pretrained does with path_initial_model_for_weight_conversion."
        )
    if config.get("bias", "none") != "none":
        raise PoolError(f"{file} tunes biases as well ({config['bias']}). Tune a LoRA with bias='none'.")
    _require_numbers(file, config)
    return config


def scaling(config: Mapping[str, Any], layer: str, rank: int) -> float:
    """Return PEFT's scaling of B·A for a layer: that of the first matching pattern, or the general one."""
    alpha = _of_layer(config, "alpha_pattern", "lora_alpha", layer)
    return float(alpha) / float(rank**0.5 if config.get("use_rslora") else rank)


def require_agreement(file: Path, config: Mapping[str, Any], ranks: Mapping[str, int]) -> None:
    """Refuse factors in `file` whose layers or ranks differ from those of its config; `ranks` are by layer."""
    for layer, rank in ranks.items():
        stated = _of_layer(config, "rank_pattern", "r", layer)
        if rank != stated:
            raise PoolError(
                f"{file} has factors of rank {rank} for {layer}, but the adapter_config.json beside it states "
                f"{stated}. Export the adapter again, so that the two belong together."
            )
    saved = config.get("modules_to_save")  # 'all-linear' lists the head, too, which is saved instead of tuned
    targets = config.get("target_modules")
    if isinstance(targets, str) and targets != "all-linear" and is_harmless(targets):
        other = [layer for layer in ranks if not re.fullmatch(targets, layer)]
    elif isinstance(targets, list) and all(isinstance(target, str) for target in targets):
        other = [layer for layer in ranks if not any(_ends_in(layer, target) for target in targets)]
        tuned = [target for target in targets if not (isinstance(saved, list) and target in saved)]
        if without := [target for target in tuned if not any(_ends_in(layer, target) for layer in ranks)]:
            raise PoolError(
                f"{file} has no factors of {', '.join(without)}, which the target_modules of the adapter_config.json "
                "beside it name. Export the adapter again, or remove them there."
            )
    else:
        return
    if other:
        raise PoolError(
            f"{file} has factors of {other[0]}, which the target_modules of the adapter_config.json beside it do not "
            "match. Export the adapter again, so that the two belong together."
        )


def is_harmless(pattern: str) -> bool:
    """Return whether a third-party pattern is valid and cannot be slow: no repeated group, few repetitions."""
    try:
        re.compile(pattern)
        _as_peft_matches(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return len(pattern) < 200 and sum(map(pattern.count, "*+{")) <= 3 and re.search(r"\)[*+{?]", pattern) is None


def _require_lora(file: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    nested = next((key for key, value in config.items() if isinstance(value, dict) and "peft_type" in value), None)
    if kind is None and nested is not None:
        raise PoolError(
            f"{file} holds its settings under '{nested}', but PEFT writes them at the top level. Move them there."
        )
    if kind != "LORA":
        what = TYPES.get(str(kind), "")
        raise PoolError(
            f"{file} is an adapter of type {kind}, not LORA. {what and what + ' '}Only LoRAs can be pooled: train with "
            "LoraConfig."
        )
    if config.get("task_type") in TEXT_TASKS:
        raise PoolError(
            f"{file} is of a text model (task_type {config['task_type']}). Import LoRAs of a vision transformer."
        )


def _require_numbers(file: Path, config: Mapping[str, Any]) -> None:
    """Refuse patterns that are invalid or could be slow, and ranks or alphas that are not positive numbers."""
    for name in ("alpha_pattern", "rank_pattern"):
        pattern = config.get(name) or {}
        if not isinstance(pattern, dict) or not all(isinstance(key, str) and is_harmless(key) for key in pattern):
            raise PoolError(
                f"{file} has an invalid {name}: expected layer names, or simple patterns of them. Write the full "
                "names of the layers."
            )
    if config.get("lora_alpha") is None:
        raise PoolError(
            f"{file} has no lora_alpha, so the scale of the LoRA is unknown. Add the value of its training; PEFT's "
            "default is 8."
        )
    for alpha in (config["lora_alpha"], *(config.get("alpha_pattern") or {}).values()):
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1e9:
            raise PoolError(f"{file} has a lora_alpha of {alpha!r}, which is not a positive number. Export it again.")
    for rank in (config.get("r"), *(config.get("rank_pattern") or {}).values()):
        if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
            raise PoolError(f"{file} has a rank r of {rank!r}, which is not a positive integer. Export it again.")


def _of_layer(config: Mapping[str, Any], patterns: str, default: str, layer: str) -> Any:
    """Return the value of the first pattern that matches a layer as in PEFT, or the general one."""
    named = (config.get(patterns) or {}).items()
    return next((value for pattern, value in named if _as_peft_matches(pattern).match(layer)), config[default])


def _as_peft_matches(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(.*\.)?({pattern})$")


def _ends_in(layer: str, target: str) -> bool:
    return layer == target or layer.endswith(f".{target}")
