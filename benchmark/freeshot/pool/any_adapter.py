"""Open any adapter of a backbone: one that `freeshot recycle` made, a LoRA of a pool, or a plain LoRA saved by PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.errors import PoolError
from freeshot.pool import ADAPTER_CARD, POOL_CARD
from freeshot.pool.cards import read_adapter_card
from freeshot.pool.peft_format import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from freeshot.contracts.tensors import Adapter
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.plugin.catalogue import Catalogue


def backbone_of_adapter(folder: Path, catalogue: Catalogue) -> str:
    """Return the backbone of an adapter as --backbone spells it: that of its card, or of the network that PEFT names.

    PoolError names the file that is wrong, OptionError what to provide if no backbone can be derived.
    """
    from freeshot.pool.peft_settings import read_settings
    from freeshot.pool.propose_backbone import propose_backbone

    require_adapter(folder)
    if (folder / ADAPTER_CARD).exists():
        return read_adapter_card(folder).backbone
    read_settings(folder / CONFIG)  # its errors name this file
    return propose_backbone(folder, catalogue)


def open_any_adapter(folder: Path, backbone: Backbone) -> Adapter:
    """Open an adapter on its backbone; PoolError names the file and the problem.

    The weights that a plain PEFT adapter was tuned on are not stated in its files: only shapes are checked.
    """
    from freeshot.engine.lora.meta_model import adapter_of
    from freeshot.pool.adapter_folder import open_adapter
    from freeshot.pool.class_heads import drop_heads
    from freeshot.pool.external_formats import read_factors
    from freeshot.pool.import_pool import placed_factors

    require_adapter(folder)
    if (folder / ADAPTER_CARD).exists():
        return open_adapter(folder, backbone)
    read = read_factors(folder)
    drop_heads(read.rest)
    read.require_nothing_else()
    if read.network_sha256 not in ("", backbone.sha256):
        raise PoolError(
            f"{read.file} was tuned on a network with the hash {read.network_sha256[:8]}…, but {backbone.name} has "
            f"{backbone.sha256[:8]}…. Set --backbone to the one it was tuned on."
        )
    return adapter_of(placed_factors(read.file, read.factors, backbone), {"file": str(read.file)})


def require_adapter(folder: Path) -> None:
    """Require the files of one adapter; PoolError states what the folder is instead."""
    if not folder.exists():
        raise PoolError(f"The folder {folder} does not exist. Give the folder of an adapter.")
    if not folder.is_dir():
        raise PoolError(f"{folder} is a file. Give the folder of an adapter, which contains {CONFIG} and {WEIGHTS}.")
    if (folder / ADAPTER_CARD).exists() or (folder / CONFIG).exists():
        return
    if (folder / POOL_CARD).exists():
        raise PoolError(
            f"{folder} is a pool of LoRAs, not one adapter. Give the folder of one of its LoRAs, or make one adapter "
            "of them with 'freeshot recycle'."
        )
    if (folder / WEIGHTS).exists():
        raise PoolError(f"{folder} has {WEIGHTS}, but no {CONFIG}. Copy that file, which PEFT saved beside it.")
    raise PoolError(
        f"{folder} is not an adapter: it has neither {ADAPTER_CARD} nor {CONFIG}. Make one with 'freeshot recycle', or "
        "give a folder that PEFT saved."
    )
