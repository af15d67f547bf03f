"""Peak memory of decoding, storing and embedding many large images: `python -m tests.soak embedding`.

Not among the benches, because 60,000 images of 224 px take nine gigabytes of disk for a while. With other networks or
numbers: `python -m tests.performance.soak_embedding`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tests.performance.measure import Table

from freeshot.cache import pixels as module
from freeshot.cache.pixels import decoded
from freeshot.engine import AdaptedLearner, open_backbone
from freeshot.engine.metering.meter import metered
from freeshot.evaluation.scoring import embed
from freeshot_vision.backbones.providers import TimmVit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

CPU = torch.device("cpu")
COUNT = 60_000
SMALL = TimmVit(model="vit_tiny_patch16_224", weights="random", patch=56, width=24, depth=1, heads=3)


class SyntheticImages:
    """Pictures made when they are read, each from its number."""

    sha256, classes = "made", ("one",)

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    def labels(self) -> NDArray[np.int64]:
        """All of one class."""
        return np.zeros(self.count, dtype=np.int64)

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return plain squares of 224 px."""
        shades = torch.tensor(list(indices)).remainder(251).to(torch.uint8)
        return shades.view(-1, 1, 1, 1).expand(-1, 3, 224, 224).contiguous()


def bench(count: int = COUNT) -> Table:
    """Embed as many images as MiniImageNet has, with a network that takes minutes."""
    with tempfile.TemporaryDirectory() as folder:
        return soak(count, Path(folder), SMALL)


def peaks(count: int, folder: Path, network: TimmVit = SMALL) -> dict[str, int]:
    """Store the images, then embed them all; return the bytes that each stage had in memory at most."""
    module.WORTH = 0
    with metered(CPU) as stored:
        images = decoded(SyntheticImages(count), "made", "novel", folder / "pixels")
    learner = AdaptedLearner(open_backbone(network))
    with metered(CPU) as embedded:
        features = embed(learner, images, range(count), CPU)
    again = embed(learner, SyntheticImages(count), range(count)[:251], CPU)
    assert torch.allclose(features[: len(again)], again, rtol=0, atol=1e-5), "the last batch is smaller, no more"
    return {"decode and store": stored.peak_bytes, f"embed, {type(images).__name__.lower()}": embedded.peak_bytes}


def soak(count: int, folder: Path, network: TimmVit) -> Table:
    """Return the peak memory of each stage as a table."""
    rows = tuple((stage, f"{peak / 2**30:.2f}") for stage, peak in peaks(count, folder, network).items())
    note = (
        f"{count:,} images of 224 px; network {network.model}, depth {network.depth or 12}; the most memory that the "
        "process held, libraries included. To reach: less than 2 GiB."
    )
    return Table("Embedding at scale", note, ("stage", "peak GiB"), rows)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.soak_embedding", description=__doc__)
    parser.add_argument("--images", type=int, default=COUNT)
    parser.add_argument("--folder", type=Path, help="where nine gigabytes are free; a temporary folder if not given")
    parser.add_argument("--network", choices=["small", "base"], default="small", help="base: ViT-B/16, for hours")
    requested = parser.parse_args()
    network = SMALL if requested.network == "small" else TimmVit(model="vit_base_patch16_224", weights="random")
    with tempfile.TemporaryDirectory(dir=requested.folder) as folder:
        print(soak(requested.images, Path(folder), network).markdown())


if __name__ == "__main__":
    main()
