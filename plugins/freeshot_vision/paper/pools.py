"""Recipes of the paper's pools: 100 LoRAs of each in-domain set, and 100 of all four.

Stated by the paper: 5-way tasks of base classes, rank 4 on q and v, Adam at 1e-3, 100 LoRAs. Its code tunes teachers on
batches of 64, unmirrored, with gradients clipped at 50, for one epoch over all classes. The number of steps for LoRAs
of 5 classes is not stated: 100 steps are ours, because an epoch of 5 classes can be as short as 4 steps. Each LoRA of
the mixed pool is tuned on one data set, 25 on each.

Smaller pools, whose names end in '-q8', are tuned in an hour or two on two CPU cores: about 40 LoRAs of 30 steps, on
the backbone that package registries provide; some on subsets and reduced copies of the data sets.
"""

from __future__ import annotations

from pathlib import Path

from freeshot import PoolPlan

IN_DOMAIN = ("cifar-fs", "mini-imagenet", "vgg-flower", "cub")
BACKBONE = "clip-vit-b16"
"""CLIP ViT-B/16 with the paper's settings: projected feature, ImageNet's normalisation, features not scaled."""
CIFAR = f"{BACKBONE}:normalize=cifar"
"""On CIFAR-FS the paper's code normalises by CIFAR's mean and deviation."""
MIXED = "paper/mixed"


def pool_of(dataset: str) -> str:
    """Return the name of the pool tuned on one in-domain set."""
    return f"paper/{dataset}"


def _plan(name: str, sources: tuple[str, ...], backbone: str) -> PoolPlan:
    # one at a time: one LoRA's batch fills a GPU, and a killed build loses at most one
    return PoolPlan(name, sources, 100, backbone, steps=100, batch=64, flip=False, clip=50.0, at_once=1)


PLANS = (
    *(_plan(pool_of(name), (name,), CIFAR if name == "cifar-fs" else BACKBONE) for name in IN_DOMAIN),
    _plan(MIXED, IN_DOMAIN, BACKBONE),
)

Q8 = "clip-vit-b16-q8"
"""CLIP ViT-B/16 with matrices rounded to 8 bits; its records are never compared with those of the complete network."""
Q8_CIFAR = f"{Q8}:normalize=cifar"
SMALL_SOURCES = ("cifar-fs", "mini-imagenet-60", "vgg-flower-64")


def small_pool_of(dataset: str) -> str:
    """Return the name of the small pool tuned on one data set, or on all of them if it is 'mixed'."""
    return f"paper/{dataset}-q8"


def _small_plan(dataset: str, sources: tuple[str, ...], count: int) -> PoolPlan:
    backbone = Q8_CIFAR if dataset == "cifar-fs" else Q8
    name = small_pool_of(dataset)
    return PoolPlan(
        name, sources, count, backbone, steps=30, batch=20, lr=2e-3, head_lr=3e-3, held_out_images=40, at_once=1
    )


POOL_FILES = Path(__file__).parent / "pool_files"
"""Small pools that were built: in a checkout of the repository, but not in the wheel, for their size."""


def built_pools() -> list[tuple[str, str]]:
    """List the small pools whose files are there: name, folder."""
    return [(f"paper/{card.parent.name}", str(card.parent)) for card in sorted(POOL_FILES.glob("*/pool.json"))]


SMALL_PLANS = (
    *(_small_plan(name, (name,), 40) for name in SMALL_SOURCES),
    _small_plan("mixed", SMALL_SOURCES, 14 * len(SMALL_SOURCES)),
)
