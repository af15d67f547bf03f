"""The suite `components`: LoRA Recycle with one component exchanged at a time, three training seeds.

All else is equal: images per class, number and mixture of tasks, targets. Inversions have the sizes of the rows that
use them in the pocket suite and the paper's profile `cpu`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeshot import Profile, Row, Suite
from freeshot_vision.paper.pools import Q8_CIFAR, small_pool_of
from freeshot_vision.paper.small_profiles import CPU_INVERSION, CPU_RECYCLED, DENSE, STRICT
from freeshot_vision.paper.tracks import FIRST_100
from freeshot_vision.pocket.suites import DRAWN, GENERATED, INVERSION, RECYCLED
from freeshot_vision.pocket.tracks import IN_DOMAIN

Options = Mapping[str, Any]

MASKS = (("none", None), *(("cls-attention", share) for share in (0.25, 0.5, 0.75)), ("random-patches", 0.75))
"""Strategies with the share of patches that meta-training leaves out; the first is the one without."""
LEARNERS: tuple[tuple[str, Options], ...] = (
    ("augmented-prototype", {}),
    ("task-memory", {"held_out": 0.1}),
    ("two-level-distillation", {"learner.inner_steps": 3}),
    ("reptile", {"learner.lr": 1.0}),
    ("maml", {}),
    ("anil", {}),
    ("lora-ml", {}),
    ("sora", {"rank": 8}),
    ("lte", {"learner.heads": 4, "learner.head_rank": 4, "learner.merge_every": 5}),
    ("evolution", {}),
)
"""Meta-learners besides LoRA Recycle's own, with the options in which they differ from it."""


def _recycled(base: Options, **changed: object) -> Row:
    """Return LoRA Recycle with some options changed; those of an exchanged component's predecessor are left out."""
    kept = {key: value for key, value in base.items() if key.partition(".")[0] not in changed}
    return Row("lora-recycle", {**kept, **changed})


def _rows(base: Options, inversions: Mapping[str, Options]) -> tuple[Row, ...]:
    """Return frozen features and LoRA Recycle with its own and with other strategies, inversions and learners."""
    learning = {key: value for key, value in base.items() if key.startswith("learner.")}
    return (
        Row("frozen-prototype"),
        *(
            _recycled(base, strategy=strategy, **({} if share is None else {"strategy.ratio": share}))
            for strategy, share in MASKS
        ),
        _recycled(base, strategy="token-merge"),
        *(_recycled(base, inversion=name, **options) for name, options in inversions.items()),
        *(_recycled(base, learner=name, **{**learning, **options}) for name, options in LEARNERS),
        _recycled(base, learner="bell", **{"learner.iterations": base["learner.iterations"]}),
    )


POCKET = {**INVERSION, **RECYCLED}
POCKET_INVERSIONS: Mapping[str, Options] = {
    "deep-inversion": {
        "inversion.prior": "none", "inversion.iterations": 60, "inversion.lr": 0.1, "inversion.total_variation": 1e-3,
    },
    "mask-and-predict": {"inversion.iterations": 9},
    "cmi": {**DRAWN, "inversion.iterations": 20, "inversion.rounds": 2, "inversion.lr_latent": 0.05},
    "zeroth-order": {
        **DRAWN, "inversion.lr": 1e-2, "inversion.iterations": 30, "inversion.directions": 5, "inversion.grid": 7,
    },
    "meta-generator": GENERATED,
    "gaussian-noise": {},
}  # fmt: skip
CLIP = {**CPU_INVERSION, **STRICT, **CPU_RECYCLED, **DENSE}
CLIP_INVERSIONS: Mapping[str, Options] = {
    "deep-inversion": {
        "inversion.prior": "none",
        "inversion.iterations": 30,
        "inversion.lr": 0.2,
        "inversion.total_variation": 1e-3,
    },
    "mask-and-predict": {"inversion.iterations": 4, "inversion.patch": 16, "inversion.total_variation": 3.0},
    "cmi": {"inversion.iterations": 15, "inversion.rounds": 2, "inversion.width": 32},
    "zeroth-order": {"inversion.iterations": 10, "inversion.directions": 3, "inversion.grid": 7, "inversion.width": 32},
    "meta-generator": {"inversion.outer": 20, "inversion.width": 32},
    "gaussian-noise": {},
}

SEEDS = (0, 1, 2)
ON_POCKET = tuple(f"in-domain/{name}/*" for name in IN_DOMAIN)
ON_CLIP = tuple(track.name for track in FIRST_100)
SUITES = (
    Suite(
        "components",
        "LoRA Recycle with one component exchanged at a time: seven inversions, four strategies, twelve meta-learners.",
        (*ON_POCKET, *ON_CLIP),
        {
            "full": Profile(
                _rows(POCKET, POCKET_INVERSIONS), ON_POCKET, seeds=SEEDS, summary="on pocket-vit, in-domain"
            ),
            "clip": Profile(
                _rows(CLIP, CLIP_INVERSIONS),
                ON_CLIP,
                seeds=SEEDS,
                summary="on CLIP and CIFAR-FS, 100 images a class",
                backbone=Q8_CIFAR,
                pool=small_pool_of("cifar-fs"),
            ),
        },
        reference="frozen-prototype",
        pair=("lora-recycle", "frozen-prototype"),
    ),
)
