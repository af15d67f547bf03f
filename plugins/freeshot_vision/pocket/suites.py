"""The pocket suite and its profiles: which rows are run, with options scaled to two CPU cores.

The plugins' defaults are the papers' own values; what stands here is what differs. Settings were chosen on
the validation tracks, which are a suite of their own: `freeshot run pocket-validation`.
"""

from __future__ import annotations

from freeshot import Profile, Row, Suite

LEARNING = {"learner.iterations": 400, "learner.cycle": 0, "learner.warmup": 30, "learner.lr": 1e-2}
INVERSION = {"inversion.prior": "none", "inversion.iterations": 50}
RECYCLE = {"per_class": 12, **INVERSION, **LEARNING, "learner.lr": 1e-3}
"""1e-3, the paper's rate, did better than 3e-3 and 1e-2 on the validation tracks; real images bear 1e-2."""

FULL = Profile(
    rows=(
        Row("frozen-prototype"),
        Row("lora-recycle", RECYCLE),
        Row("real-data", LEARNING),
        Row("noise", {"per_class": 12, **LEARNING}),
        Row("full-finetuning"),
    ),
    summary="every track, 600 episodes, fine-tuning included",
)
SHORT = {"learner.iterations": 60, "learner.warmup": 10}
QUICK = Profile(
    rows=(
        Row("frozen-prototype"),
        Row("lora-recycle", {**RECYCLE, **SHORT, "inversion.iterations": 10, "per_class": 6}),
        Row("real-data", {**LEARNING, **SHORT}),
    ),
    tracks=("in-domain/*/5w1s", "cross-domain/*/5w1s"),
    summary="one shot, tuning-free rows only, shortened inversion and training: minutes",
)
TUNING_FREE = Profile(FULL.rows[:-1], summary="every track, without the fine-tuning rows")

TRACKS = ("in-domain/*", "cross-domain/*")
SUITES = (
    Suite(
        "pocket",
        "Real images, a real network and a real pool of LoRAs, small enough for two CPU cores; needs no download.",
        TRACKS,
        {"full": FULL, "tuning-free": TUNING_FREE, "quick": QUICK},
    ),
    Suite(
        "pocket-validation",
        "The pocket suite's in-domain sets on validation classes, where settings may be chosen in the open.",
        ("validation/*",),
        {"full": TUNING_FREE},
    ),
)
