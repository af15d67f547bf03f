"""Read third-party LoRAs: PEFT adapter folders, and the files of the LoRA Recycle authors' code.

Nothing is unpickled: labels come from JSON, tensors from safetensors.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.pool import ADAPTER_CARD, POOL_CARD
from freeshot.pool.cards import is_folder_name, read_json
from freeshot.pool.class_heads import class_names, read_labels, take_head, without_head
from freeshot.pool.layer_names import BlockTarget, block_target, explain_unsupported
from freeshot.pool.peft_format import CONFIG, PREFIX, WEIGHTS, take_factors
from freeshot.pool.peft_settings import REPAIR, read_settings, require_agreement, scaling
from freeshot.pool.store import load_tensors

FACTOR_A = ".lora_A.weight"
PICKLE = "adapter_model.bin"
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
    model_class: str = ""
    """Class of the model that PEFT tuned, such as 'ViTForImageClassification', if it was saved."""
    network_sha256: str = ""
    """Hash of that network's weights, if there is a FreeShot card."""

    def __post_init__(self) -> None:
        """Refuse a LoRA without factors or head, or with another number of labels."""
        weight, bias = self.head_weight, self.head_bias
        if not self.factors:
            raise PoolError(f"{self.file} has no LoRA factors. Export the adapter again.")
        if weight.ndim != 2:
            raise without_head(self.file)
        if bias is not None and bias.shape != weight.shape[:1]:
            raise PoolError(f"{self.file}: the head's bias does not fit its weight. Export the head again.")
        if self.labels and len(self.labels) != len(weight):
            raise PoolError(
                f"{self.file} has a head of {len(weight)} classes, but {len(self.labels)} labels. Correct the labels."
            )
        if twice := [label for label, count in Counter(self.labels).items() if count > 1]:
            raise PoolError(f"{self.file}: two outputs of the head have the name '{twice[0]}'. Correct the labels.")

    @property
    def rank(self) -> int:
        """Largest rank of its factors."""
        return max(len(a) for a, _ in self.factors.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """Layers of a block that it acts on, in the order of a block."""
        order = ("qkv", "q", "k", "v", "proj", "fc1", "fc2")
        return tuple(target for target in order if any(target == tuned for _, tuned in self.factors))


def find_loras(folder: Path) -> list[Path]:
    """List LoRAs: PEFT folders at any depth, and files `lora_0.safetensors`; PoolError if there are none."""
    paths = list(_files(folder))
    folders = sorted({path.parent for path in paths if path.name in (CONFIG, WEIGHTS, PICKLE)})
    files = sorted(
        (path for path in paths if PAPER_FILE.fullmatch(path.name)), key=lambda path: (path.parent, _number(path))
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


def _files(folder: Path) -> Iterator[Path]:
    """Walk through the files at any depth of a folder; PoolError for a folder that cannot be read."""

    def refuse(error: OSError) -> None:
        raise PoolError(f"{error.filename} cannot be read ({error.strerror}). Choose a folder of LoRAs.")

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)


def lora_name(path: Path, root: Path) -> str:
    """Return the name of a LoRA in the pool: its path below `root`, joined by hyphens."""
    inner = path.relative_to(root.parent if path == root else root)
    return (inner.with_suffix("") if path.is_file() else inner).as_posix().replace("/", "-")


def read_lora(path: Path, root: Path) -> ExternalLora:
    """Read one LoRA of either format; PoolError names the file and the problem."""
    name = lora_name(path, root)
    if not is_folder_name(name):
        raise PoolError(f"{path} has a name that is not a valid folder name on all systems. Rename it.")
    return _read_peft(path, name) if path.is_dir() else _read_paper(path, name)


def named_network(folder: Path) -> tuple[str, str]:
    """Return the network that the first LoRA of a folder names, and the class of its model; '' for what it lacks."""
    for path in find_loras(folder):
        try:
            config = read_settings(path / CONFIG) if path.is_dir() else {}
        except PoolError:
            continue  # the import reports it
        if config.get("base_model_name_or_path"):
            return _network(config)
    return "", ""


@dataclass(frozen=True, eq=False)
class PeftFactors:
    """The factors of a PEFT adapter, and what else its files hold."""

    file: Path
    """The file of weights."""
    factors: Mapping[BlockTarget, tuple[Tensor, Tensor]]
    """A [r, i] and B [o, r], scaling folded into B."""
    rest: dict[str, Tensor]
    """The other tensors of the file, such as a head."""
    network: str
    """Name of the network it was tuned on, or ''."""
    model_class: str
    """Class of the model that PEFT tuned, or ''."""

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
    file = folder / WEIGHTS
    config = read_settings(folder / CONFIG)
    tensors = _read_tensors(file)
    layers = [key.removeprefix(PREFIX).removesuffix(FACTOR_A) for key in sorted(tensors) if key.endswith(FACTOR_A)]
    if not layers:
        raise PoolError(f"{file} has no LoRA factors. Export the adapter again.")
    for layer in layers:
        if block_target(layer) is None:  # first, because only valid layer names are matched with third-party patterns
            raise PoolError(f"{file} {explain_unsupported(layer, layers)}")
    factors: dict[BlockTarget, tuple[Tensor, Tensor]] = {}
    ranks: dict[str, int] = {}
    for layer, a, b in take_factors(file, tensors):
        target = block_target(layer)
        assert target is not None
        if target in factors:
            raise PoolError(
                f"{file} tunes {target[1]} of block {target[0]} twice, also as {layer}. Import one network."
            )
        ranks[layer] = len(a)
        factors[target] = (a, b * scaling(config, layer, len(a)))
    require_agreement(file, config, ranks)
    return PeftFactors(file, factors, tensors, *_network(config))


def _read_peft(folder: Path, name: str) -> ExternalLora:
    read = read_factors(folder)
    weight, bias = take_head(read.file, read.rest)
    read.require_nothing_else()
    labels, sha256 = class_names(folder, len(weight)), read.network_sha256
    return ExternalLora(name, read.file, read.factors, weight, bias, labels, read.network, read.model_class, sha256)


def _network(config: Mapping[str, object]) -> tuple[str, str]:
    """Return the network that a PEFT config names, and the class of the model that was tuned."""
    mapping = config.get("auto_mapping")
    model_class = mapping.get("base_model_class") if isinstance(mapping, dict) else ""
    return str(config.get("base_model_name_or_path") or ""), str(model_class or "")


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
        raise PoolError(f"{file} has {len(heads) or 'no'} head{'s' * (len(heads) > 1)}. Save one, as fc_768in_5out.")
    labels = file.with_name(f"global_label_{_number(file)}.json")
    pickled = labels.with_suffix(".pth")
    if pickled.exists() and not labels.exists():
        raise PoolError(
            f"{pickled} is a pickle, which can run code and is never opened. Save its list as {labels.name}."
        )
    return ExternalLora(name, file, factors, heads[0], None, read_labels(labels))


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
    if not file.exists() and (pickle := file.with_name(PICKLE)).exists():
        raise PoolError(f"{pickle} is a pickle, which is never opened. Save it with safe_serialization=True.")
    if not file.exists():
        raise PoolError(f"{file} does not exist, although {CONFIG} does. Copy it there; PEFT saves both.")
    return load_tensors(file)
