"""The pocket suite and its profiles: rows with options scaled to two CPU cores.

The plugins' defaults are the papers' own values; only differences are listed here. Settings were chosen on the
validation tracks, which are a separate suite: `freeshot run pocket-validation`.
"""

from __future__ import annotations

from freeshot import Profile, Row, Suite
from freeshot_vision.pocket.tracks import CROSS_DOMAIN, IN_DOMAIN

LINEAR = ("q", "k", "v", "proj", "fc1", "fc2")
"""All linear layers of a block: with q and v alone real images improve so small a network only a little."""
LEARNING = {"targets": LINEAR, "learner.cycle": 0, "learner.warmup": 30}
REAL = {**LEARNING, "learner.iterations": 1000, "learner.lr": 5e-3}
RECYCLED = {"per_class": 8, "lora_share": 0.2, **LEARNING, "learner.iterations": 400, "learner.lr": 1e-3}
"""Surrogates need a lower rate and fewer tasks than real images; the floor, noise, is trained the same way."""
INVERSION = {
    "inversion.prior": "none", "inversion.iterations": 60, "inversion.lr": 0.1, "inversion.schedule": "cosine",
    "inversion.total_variation": 100.0,
}  # fmt: skip
"""Few steps at a decaying rate instead of 2,000; strong smoothing gives strokes instead of texture."""
FREE = {"per_class": 8, "targets": LINEAR, "learner.iterations": 400, "learner.lr": 1e-3}
"""FREE at the size of LoRA Recycle's row."""
GENERATED = {"inversion.outer": 100}
"""The length of FREE's inversion."""
HEADS_OF_LTE = {"learner.heads": 4, "learner.head_rank": 4, "learner.merge_every": 5}
IN_CONTEXT = {"per_class": 8, "iterations": 1000, "tasks": 8, "lr": 1e-3, "label_width": 32, "depth": 2, "heads": 4}
"""CAML with a small transformer."""

DRAWN = {"inversion.latent": 64, "inversion.width": 32, "inversion.lr": 5e-3}
"""Generators of this size are sufficient for 28 px."""
TRUSTED = {**RECYCLED, **DRAWN, "inversion.iterations": 20, "inversion.rounds": 2, "inversion.lr_latent": 0.05}
"""TEAPOT at the size of LoRA Recycle's row."""
BLACK_BOX = {
    **RECYCLED, **DRAWN, "inversion.lr": 1e-2, "inversion.iterations": 30, "inversion.directions": 5,
    "inversion.grid": 7, "learner.iterations": 200, "learner.inner_steps": 3,
}  # fmt: skip
"""BiDf-MKD: with 7 × 7 directions instead of 28 × 28, five directions are sufficient."""
LOCKSTEP = {
    "per_class": 8, "targets": LINEAR, "iterations": 300, "loras": 2, "pixel_lr": 0.1, "total_variation": 0.01,
    "warmup": 50,
}  # fmt: skip
"""PURER: the number of steps that takes the time of LoRA Recycle's inversion and training."""

GENERATING = {"per_class": 8, "iterations": 1000, "latent": 16, "hidden": 128, "reach": 1.0}
"""ICM-LoRA: means of 25 real features are so far from those of surrogates that they must be clipped."""

COMPOSED = tuple(map(Row, ("lora-average", "lora-fair", "ties", "dare", "random-lora")))
HEADS = (Row("knn", {"k": 1}), Row("rtd"))
ADAPTED = (
    Row("lora-finetuning", {"lrs": (1e-3, 3e-3), "steps": (5,), "trials": 20}),
    Row("pmf", {"lrs": (0.0, 1e-3, 1e-2), "steps": 3, "trials": 20}),
    Row("register-prompt", {"steps": 5}),
)
MIXED = (
    Row("composition", {"steps": 5}),
    Row("sd-lora", {"steps": 5, "lr": 0.01, "magnitude": 0.0}),
    Row("mole", {"steps": 5}),
    Row("lorahub", {"budget": 16}),
)
"""A few steps instead of dozens: an episode of 5 shots costs a second, and there are thousands."""

FULL = Profile(
    rows=(
        Row("frozen-prototype"),
        Row("pool-lda"),
        Row("lora-recycle", {**INVERSION, **RECYCLED}),
        Row("recycled-average", {**INVERSION, **RECYCLED}),
        Row("free", {**FREE, **GENERATED}),
        Row("real-data", REAL),
        Row("noise", RECYCLED),
        Row("shuffled-labels", {**INVERSION, **RECYCLED}),
        *COMPOSED,
        Row("dual-lora", {"protected": 1}),
        Row("sora", {**INVERSION, **RECYCLED, "rank": 8}),
        Row("icm-lora", {**INVERSION, **GENERATING}),
        Row("lte", {**INVERSION, **RECYCLED, **HEADS_OF_LTE}),
        Row("caml", {**INVERSION, **IN_CONTEXT}),
        Row("rec-lora", {**INVERSION, **RECYCLED, "learner.iterations": 200}),
        *HEADS,
        Row("dro"),
        Row("teapot", TRUSTED),
        Row("bidf-mkd", BLACK_BOX),
        Row("purer", LOCKSTEP),
        Row("linear-probe"),
        Row("full-finetuning"),
        *ADAPTED,
        *MIXED,
    ),
    summary="every track, 600 episodes, fine-tuning included",
)
TUNED = ("linear-probe", "full-finetuning", *(row.method for row in (*ADAPTED, *MIXED)))
SHORT = {"learner.iterations": 60, "learner.warmup": 10}
QUICK = Profile(
    rows=(
        Row("frozen-prototype"),
        Row("lora-recycle", {**INVERSION, **RECYCLED, **SHORT, "inversion.iterations": 10, "inversion.lr": 0.25}),
        Row("real-data", {**REAL, **SHORT}),
    ),
    tracks=("in-domain/*/5w1s", "cross-domain/*/5w1s"),
    summary="one shot, tuning-free rows only, shortened inversion and training: minutes",
)
TUNING_FREE = Profile(
    tuple(row for row in FULL.rows if row.method not in TUNED), summary="every track, without the fine-tuning rows"
)


def _varied(**options: object) -> Row:
    """Return LoRA Recycle with some options changed; a double underscore stands for a dot."""
    changed = {key.replace("__", "."): value for key, value in options.items()}
    return Row("lora-recycle", {**INVERSION, **RECYCLED, **changed})


ABLATIONS = Profile(
    rows=(
        _varied(),
        # Layers in which tokens are pruned in inversion (the paper's table 4, its layers of 12 scaled to 6), and the
        # share left for meta-training (its table 5).
        _varied(strategy="none"),
        _varied(strategy__at=(4,)),
        _varied(strategy__at=(3,)),
        _varied(strategy__at=(1, 3, 4, 5), strategy__ratio=0.3),
        _varied(strategy__ratio=0.25),
        _varied(strategy__ratio=0.5),
        # Only tasks of one LoRA, or only tasks across LoRAs.
        _varied(lora_share=1.0),
        _varied(lora_share=0.0),
        # Deviations of the released code from the paper.
        _varied(learner__distance="squared"),
        _varied(learner__divergence="teacher-student"),
        _varied(strategy__at=(3,), strategy__paper_code_residual=True),
        # Each method with the other's inversion.
        Row("lora-recycle", {**RECYCLED, "inversion": "meta-generator", **GENERATED}),
        Row("free", {**FREE, **INVERSION, "inversion": "lora-inversion"}),
    ),
    tracks=("in-domain/*", "cross-domain/*/5w1s"),
    summary="LoRA Recycle with one thing changed at a time, three training seeds",
    seeds=(0, 1, 2),
)

ON_AVERAGE = {"base": "lora-average"}
ON_RECYCLED = {"base": "lora-recycle", **{f"base.{key}": value for key, value in {**INVERSION, **RECYCLED}.items()}}
STANDING = Profile(
    rows=tuple(
        Row(row.method, {**row.options, **base})
        for row in (
            Row("frozen-prototype"),
            Row("frozen-prototype", {"distance": "cosine"}),
            *HEADS,
            Row("linear-probe"),
        )
        for base in ({}, ON_AVERAGE, ON_RECYCLED)
    ),
    tracks=("*/5w5s",),
    summary="five heads, each on three networks, five shots",
)

CHAMPION = Profile(
    rows=(
        Row("pool-lda"),
        # Without one of its parts, the last without the pool.
        Row("pool-lda", {"scale": 1.0}),
        Row("pool-lda", {"views": ()}),
        Row("pool-lda", {"shrinkage": 0.0}),
        Row("pool-lda", {"scale": 0.0}),
    ),
    tracks=("in-domain/*", "cross-domain/*/5w5s"),
    summary="Pool LDA without each of its parts",
)

ON_VARIANTS = (
    *map(Row, ("frozen-prototype", "lora-average", "pool-lda")), Row("free", {**FREE, **GENERATED}), _varied(),
)  # fmt: skip
"""Rows that are run on all variants of the pool."""
POISONED = Profile(
    rows=(
        *ON_VARIANTS,
        Row("dare"),
        Row("composition", {"steps": 5}),
        Row("teapot", TRUSTED),
        Row("teapot", {**TRUSTED, "learner.selection": "uniform"}),
    ),
    tracks=("poisoned/noise/*", "poisoned/mislabelled/*"),
    summary="methods that weight all LoRAs equally or by trust, where three in ten LoRAs are noise or mislabelled",
)

POOLS = Profile(
    rows=ON_VARIANTS,
    tracks=("pools/*",),
    summary="five rows on sixteen variants of the pool",
)

TRACKS = (
    *(f"in-domain/{name}/*" for name in IN_DOMAIN),
    *(f"cross-domain/{name}/*" for name in CROSS_DOMAIN),
)
"""Listed explicitly, because other suites also have in-domain and cross-domain tracks."""
REFERENCE = "frozen-prototype"
"""The backbone alone."""
PAIR = ("lora-recycle", REFERENCE)
"""The main question: does the LoRA pool improve on the backbone without it?"""
SUITES = (
    Suite(
        "pocket",
        "Real images, a real network and a real pool of LoRAs, small enough for two CPU cores; needs no download.",
        TRACKS,
        {"full": FULL, "tuning-free": TUNING_FREE, "quick": QUICK},
        main=True,
        reference=REFERENCE,
        pair=PAIR,
    ),
    Suite(
        "pocket-validation",
        "The pocket suite's in-domain sets on validation classes, where settings may be chosen in the open.",
        tuple(f"validation/{name}/*" for name in IN_DOMAIN),
        {"full": TUNING_FREE},
        reference=REFERENCE,
        pair=PAIR,
    ),
    Suite(
        "poisoned",
        "The pocket suite's validation episodes, with a pool of which three LoRAs in ten are noise or mislabelled.",
        ("poisoned/noise/*", "poisoned/mislabelled/*"),
        {"full": POISONED},
        reference=REFERENCE,
        pair=PAIR,
    ),
    Suite(
        "pools",
        "The pocket suite's in-domain episodes with one shot, on smaller, weaker and corrupted variants of its pool.",
        ("pools/*",),
        {"full": POOLS},
        reference=REFERENCE,
        pair=PAIR,
    ),
    Suite(
        "heads",
        "Heads on the pocket suite's frozen network, on the average of its pool and on LoRA Recycle's meta-LoRA.",
        TRACKS,
        {"full": STANDING},
        reference=REFERENCE,
    ),
    Suite(
        "champion",
        "Pool LDA on the pocket suite without each of its parts: the enlarged average, views, the metric.",
        TRACKS,
        {"full": CHAMPION},
    ),
    Suite(
        "ablations",
        "LoRA Recycle on the pocket suite with one thing changed at a time, as in the paper's tables 4 and 5.",
        TRACKS,
        {"full": ABLATIONS},
    ),
)
