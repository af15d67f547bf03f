"""The paper's questions at sizes for two CPU cores and for a quarter of an hour of one GPU.

Both run on CIFAR-FS's own tracks and episodes, with the backbone that package registries provide and a pool of 40
LoRAs. Sizes are starting points from a pilot, chosen by time, not by accuracy; what each row costs is in
`docs/howto/paper-suite.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeshot import Profile, Row
from freeshot_vision.paper.pools import Q8_CIFAR, SMALL_SOURCES, small_pool_of
from freeshot_vision.paper.tracks import FIRST_100, SMALL_CROSS_DOMAIN, VALIDATION, VARIED

Options = Mapping[str, Any]

STRICT = {"inversion.prior": "none"}
PRIOR = {"inversion.prior": "resnet50", "inversion.prior_weights": "resnet50-keras.safetensors"}
"""The registry's ResNet-50, for the same reason as the backbone."""
SPARSE_PRIOR = {**PRIOR, "inversion.prior_every": 4}
"""At every fourth step, with four times its weight: a quarter of the prior's time."""
DENSE = {"strategy": "none"}
MASKS = (DENSE, {"strategy.ratio": 0.25}, {"strategy.ratio": 0.5}, {"strategy.ratio": 0.75})
"""Share of the patches that meta-training leaves out; all four share one inversion."""
AUGMENTED = {**DENSE, "learner": "augmented-prototype"}
"""The same images, cropped and recoloured at random in meta-training."""

PHOTOGRAPHS = {"views": ("mirror",)}
"""Chosen on validation classes, see docs/methods/pool-lda.md."""
CPU_LEARNING = {"learner.iterations": 60, "learner.cycle": 0, "learner.warmup": 15}
"""Tasks of surrogates are easy: accuracy stopped rising after about 50."""
CPU_TASKS = {"train_shot": 1}
"""Tasks of one shot for both tracks, which then share each meta-LoRA and its embedded images: half the time."""
CPU_IMAGES = {"per_class": 4}
"""One image as support and three as queries."""
SMOOTH = {"inversion.schedule": "cosine", "inversion.total_variation": 3.0}
CPU_INVERSION = {"inversion.iterations": 30, "inversion.lr": 0.2, **SMOOTH}
"""After these steps a LoRA of the pool recognises all of its images; twice the rate in fewer steps than the pilot's."""
CPU_RECYCLED = {**CPU_IMAGES, **CPU_TASKS, "lora_share": 0.2, **CPU_LEARNING}
CPU_FREE = {**CPU_IMAGES, **CPU_TASKS, "inversion.outer": 20, "inversion.width": 32, "learner.iterations": 60}

GPU_LEARNING = {"learner.iterations": 300, "learner.cycle": 0, "learner.warmup": 25}
GPU_IMAGES = {"per_class": 10}
GPU_INVERSION = {"inversion.iterations": 150, "inversion.lr": 0.1, **SMOOTH}
GPU_RECYCLED = {**GPU_IMAGES, "lora_share": 0.2, **GPU_LEARNING}
GPU_FREE = {**GPU_IMAGES, "inversion.outer": 100, "learner.iterations": 300}


GPU_VARIED = (
    {**DENSE, "lora_share": 1.0},
    {"strategy.at": (8,), "strategy.ratio": 0.75},
    {"strategy.at": (6,), "strategy.ratio": 0.75},
    {"strategy.at": (3, 6, 8, 11), "strategy.ratio": 0.3},
)
"""Tasks of one LoRA only, and inversions pruned in earlier layers as in the paper's table 4."""


def _key_rows(recycled: Options, inversion: Options, prior: Options, free: Options, real: Options) -> tuple[Row, ...]:
    """Return the rows that answer the paper's questions: its method, what it must beat, floors and the ceiling."""
    strict = {**inversion, **STRICT, **recycled}
    public = {**inversion, **prior, **recycled}
    return (
        *map(Row, ("frozen-prototype", "random-lora", "lora-average")),
        Row("pool-lda", PHOTOGRAPHS),
        Row("lora-average", {"space": "factors"}),
        *(Row("lora-recycle", {**strict, **mask}) for mask in MASKS),
        Row("lora-recycle", {**strict, **AUGMENTED}),
        *(Row("lora-recycle", {**public, **mask}) for mask in (MASKS[0], MASKS[-1])),
        Row("recycled-average", {**strict, **DENSE}),
        Row("free", free),
        Row("noise", recycled),
        Row("shuffled-labels", {**strict, **DENSE}),
        Row("real-data", real),
    )


def _on_first_100(method: str, options: Options | None = None) -> Row:
    return Row(method, options or {}, tuple(track.name for track in FIRST_100))


CPU_STRICT = {**CPU_INVERSION, **STRICT, **CPU_RECYCLED}
TRIALS = {"trials": 10}
CPU_TUNING_FREE = (
    _on_first_100("lora-recycle", {**CPU_STRICT, **DENSE, "lora_share": 1.0}),
    Row("caml", {
        **CPU_INVERSION, **STRICT, **CPU_IMAGES, "iterations": 1000, "tasks": 8, "lr": 1e-3, "label_width": 32,
        "depth": 2, "heads": 4,
    }, (FIRST_100[0].name,)),  # its tasks have the shots of the test: five would need a sixth image per class
    _on_first_100("icm-lora", {
        **CPU_INVERSION, **STRICT, **CPU_IMAGES, "iterations": 1000, "latent": 16, "hidden": 128, "reach": 1.0,
    }),
    *(_on_first_100(name, {**CPU_STRICT, **DENSE}) for name in ("sora", "rec-lora")),
    _on_first_100("lte", {**CPU_STRICT, **DENSE, "learner.heads": 4, "learner.head_rank": 4, "learner.merge_every": 5}),
    *map(_on_first_100, ("lora-fair", "ties", "dare", "dual-lora", "dro", "knn", "rtd")),
    _on_first_100("teapot", {**CPU_RECYCLED, "inversion.iterations": 10, "inversion.rounds": 2, "inversion.width": 32}),
    _on_first_100("purer", {**CPU_IMAGES, "iterations": 100, "loras": 1, "pixel_lr": 0.1, "warmup": 15}),
    _on_first_100("bidf-mkd", {
        **CPU_IMAGES, **CPU_TASKS, **CPU_LEARNING, "inversion.iterations": 10, "inversion.directions": 3,
        "inversion.grid": 7, "inversion.width": 32, "learner.inner_steps": 3,
    }),
)  # fmt: skip
CPU_TUNED = (
    _on_first_100("linear-probe", TRIALS),
    _on_first_100("full-finetuning", {"lrs": (1e-5, 1e-4), "steps": (5,), **TRIALS}),
    _on_first_100("lora-finetuning", {"lrs": (1e-3, 1e-2), "steps": (5,), **TRIALS}),
    _on_first_100("lora-finetuning", {"start": "average", "lrs": (1e-3, 1e-2), "steps": (5,), **TRIALS}),
    _on_first_100("pmf", {**CPU_LEARNING, "lrs": (0.0, 1e-3), "steps": 5, **TRIALS}),
    *(_on_first_100(name, {"steps": 5}) for name in ("register-prompt", "composition", "sd-lora", "mole")),
    _on_first_100("lorahub", {"budget": 16}),
)

CIFAR_TRACKS = ("in-domain/cifar-fs/*",)
CPU_KEY = _key_rows(CPU_RECYCLED, CPU_INVERSION, SPARSE_PRIOR, CPU_FREE, {**CPU_LEARNING, **CPU_TASKS})
CIFAR_POOL = small_pool_of("cifar-fs")
VALIDATION_PROFILE = Profile(
    CPU_KEY,
    tuple(track.name for track in VALIDATION),
    summary="the key rows of the profile cpu on validation classes",
    backbone=Q8_CIFAR,
    pool=CIFAR_POOL,
)
POOLS_PROFILE = Profile(
    (
        *map(Row, ("frozen-prototype", "lora-average")),
        Row("pool-lda", PHOTOGRAPHS),
        Row("free", CPU_FREE),
        Row("lora-recycle", {**CPU_STRICT, **DENSE}),
    ),
    tuple(track.name for track in VARIED),
    summary="five rows of the profile cpu on ten variants of the pool",
)
SMALL_PROFILES = {
    "cpu": Profile(
        (*CPU_KEY, *CPU_TUNING_FREE, *CPU_TUNED),
        (*CIFAR_TRACKS, *(track.name for track in FIRST_100)),
        summary="CIFAR-FS on two CPU cores: key rows on the paper's episodes, all rows on 100 images a class",
        backbone=Q8_CIFAR,
        pool=CIFAR_POOL,
    ),
    "cpu-domains": Profile(
        (
            *(row for row in CPU_KEY if row.method in ("frozen-prototype", "lora-average", "free", "real-data")),
            Row("lora-recycle", {**CPU_STRICT, **DENSE}),
        ),
        (
            *(f"in-domain/{name}/*" for name in SMALL_SOURCES[1:]),
            *(f"cross-domain/{name}/*" for name in SMALL_CROSS_DOMAIN),
        ),
        summary="five rows on subsets and reduced copies of four other sets, on two CPU cores",
    ),
    "gpu": Profile(
        (
            *_key_rows(GPU_RECYCLED, GPU_INVERSION, SPARSE_PRIOR, GPU_FREE, GPU_LEARNING),
            *(Row("lora-recycle", {**GPU_INVERSION, **STRICT, **GPU_RECYCLED, **varied}) for varied in GPU_VARIED),
        ),
        CIFAR_TRACKS,
        summary="CIFAR-FS in a quarter of an hour of one H200: key rows on the paper's episodes",
        backbone=Q8_CIFAR,
        pool=CIFAR_POOL,
    ),
}
