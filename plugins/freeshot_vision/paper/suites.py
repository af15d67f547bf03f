"""The paper's suite and its profiles: every row at its paper's size, which is usually the plugins' default.

Defined here are settings without default (the prior's weights), settings that keep memory within one GPU (`batch`,
which is also how the paper's code inverts: ten images of each class at once), and grids that contain the settings of
the paper's tables. Settings that the paper selected on test episodes are selected here on validation classes instead.
"""

from __future__ import annotations

from functools import partial

from freeshot import Profile, Row, Suite
from freeshot_vision.paper.pools import IN_DOMAIN
from freeshot_vision.paper.small_profiles import POOLS_PROFILE, SMALL_PROFILES, VALIDATION_PROFILE
from freeshot_vision.paper.tracks import CROSS_DOMAIN, FURTHER, SMALL_TRACKS, VALIDATION, VARIED

PRIOR = {"inversion.prior_weights": "resnet50-imagenet.safetensors"}
"""torchvision's ResNet50_Weights.IMAGENET1K_V1, as `freeshot weights get resnet50-imagenet` stores it."""
RECOVERED = {**PRIOR, "batch": 50}
"""40 images of each class, ten at a time; all rows with this inversion share its surrogates."""


def _recycled(ratio: float | None) -> Row:
    """Return LoRA Recycle with a share of the patches dropped at the last layer, which gives the mask; None: dense."""
    pruned = {"strategy": "none"} if ratio is None else {"strategy.ratio": ratio}
    return Row("lora-recycle", {**RECOVERED, **pruned})


LORA_RECYCLE = tuple(map(_recycled, (None, 0.25, 0.5, 0.75)))
"""The four rows of tables 2 and 3."""
TUNED = (
    # Table 1 shows SGD and Adam at 0.1, 0.01, 0.001 for 5 and 50 steps; here Adam, at rates suited to ViTs.
    Row("full-finetuning", {"lrs": (1e-5, 1e-4, 1e-3), "steps": (5, 50)}),
    Row("linear-probe"),
    Row("lora-finetuning", {"lrs": (1e-3, 1e-2, 1e-1), "steps": (5, 50)}),
    Row("pmf"),
    Row("lora-finetuning", {"start": "average", "lrs": (1e-3, 1e-2, 1e-1), "steps": (5, 50)}),
    Row("mole"),
    Row("lorahub"),
)
"""Full Finetuning, Linear-probe, LoRA + Linear, P>M>F, LoRAs Avg + Linear, MOLE and LoRAHub of the tables."""
TUNING_FREE = (
    Row("frozen-prototype"),
    Row("lora-average"),
    Row("caml", RECOVERED),
)
"""NN, LoRAs Avg + NN and CAML of the tables."""
BEYOND = (
    Row("free"),
    *(Row(name, RECOVERED) for name in ("sora", "lte", "rec-lora", "icm-lora", "recycled-average", "shuffled-labels")),
    Row("noise"),
    Row("real-data"),
    *map(Row, ("pool-lda", "lora-fair", "ties", "dare", "random-lora", "dual-lora", "dro")),
    *map(Row, ("knn", "rtd", "teapot", "purer", "bidf-mkd")),
    *map(Row, ("composition", "sd-lora", "register-prompt")),
)
"""Rows that are not in the paper's tables."""

PAPER = (
    *(f"in-domain/{name}/*" for name in IN_DOMAIN),
    *(f"cross-domain/{name}/*" for name in CROSS_DOMAIN),
)
AFTER = tuple(f"further/{name}/*" for name in FURTHER)
REFERENCE = "frozen-prototype"
PAIR = ("lora-recycle", REFERENCE)
_on_papers_data = partial(Suite, manual_download=True, reference=REFERENCE, pair=PAIR)
SUITES = (
    _on_papers_data(
        "paper",
        "LoRA Recycle's own questions at full size: CLIP ViT-B/16, 100 LoRAs, eight data sets that you fetch.",
        (*PAPER, *AFTER, *(track.name for track in SMALL_TRACKS)),
        {
            "full": Profile(
                (*LORA_RECYCLE, *TUNING_FREE, *TUNED, *BEYOND), PAPER, summary="every row, on the paper's tracks"
            ),
            "tables": Profile(
                (*LORA_RECYCLE, *TUNING_FREE, *TUNED), PAPER, summary="the rows of the paper's tables 2 and 3"
            ),
            "tuning-free": Profile(
                (*LORA_RECYCLE, *TUNING_FREE), PAPER, summary="of those, the rows that tune nothing at test"
            ),
            "further": Profile((*LORA_RECYCLE, *TUNING_FREE), AFTER, summary="the same rows on five further domains"),
            **SMALL_PROFILES,
        },
    ),
    _on_papers_data(
        "paper-validation",
        "CIFAR-FS on validation classes, 100 images of each, where settings of the small profiles may be chosen.",
        tuple(track.name for track in VALIDATION),
        {"full": VALIDATION_PROFILE},
    ),
    _on_papers_data(
        "paper-pools",
        "CIFAR-FS with one shot, 100 images of a class, on smaller, weaker and corrupted variants of the small pool.",
        tuple(track.name for track in VARIED),
        {"full": POOLS_PROFILE},
    ),
)
