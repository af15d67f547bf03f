"""The backbone of LoRAs whose configs name their network: a hub id, a folder, a name in timm, or one of ours."""

from __future__ import annotations

from pathlib import Path

from freeshot.basics.errors import FreeshotError, OptionError
from freeshot.engine.vit.backbone import backbone_provider
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.external_formats import named_network

EXAMPLE = "timm:model=vit_small_patch16_224,weights=FILE or hf:model=FOLDER"


def propose_backbone(folder: Path, catalogue: Catalogue) -> str:
    """Return the backbone of the LoRAs in a folder, as --backbone spells it.

    The first that is ready to use; OptionError explains what to provide if the LoRAs name no network, an unknown one,
    or one whose weights are missing.
    """
    network, model_class = named_network(folder)
    if not network:
        raise OptionError(
            f"The LoRAs in {folder} do not name the network they were tuned on (base_model_name_or_path). Set "
            f"--backbone, such as {EXAMPLE}."
        )
    # the network itself first, then ours with the weights of the same hub id
    lines = tuple(sorted(catalogue.proposed_backbones(network, model_class), key=lambda line: network not in line))
    if network.partition(":")[0] in catalogue.names("backbone"):  # an adapter of FreeShot's own
        lines = (network, *lines)
    reasons = []
    for line in lines:
        try:
            backbone_provider(catalogue, line).require_ready()
        except FreeshotError as error:
            reasons.append(str(error))
        else:
            return line
    if not lines:
        raise OptionError(
            f"The LoRAs in {folder} were tuned on '{network}', which is not a folder here, a hub id or a "
            f"name in timm. Set --backbone, such as {EXAMPLE}."
        )
    more = f" Or set --backbone {' or '.join(lines[1:])}." if lines[1:] else ""
    raise OptionError(f"The LoRAs in {folder} were tuned on '{network}'. {reasons[0]}{more}")
