"""Export a few images for a demonstration: `python -m freeshot_vision.pocket.samples sketch --out DIR`.

    DIR/support/cat/0.png      labelled examples, one folder per class
    DIR/query/cat-0.png        images to classify; the name has the correct class

Classes are novel ones, which neither the network nor the pool's LoRAs were trained on.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from freeshot.basics.seeds import derive
from freeshot_vision.pocket import DATA
from freeshot_vision.sheets import SheetImages, open_sheet

DATASETS = ("sketch", "icons", "fashion", "clipart", "glyphs", "digits")


def lay_out(images: SheetImages, out: Path, way: int, shot: int, query: int, seed: int) -> tuple[str, ...]:
    """Write support and query images of `way` random classes; return the classes."""
    rng = np.random.Generator(np.random.Philox(derive(seed, "samples")))
    chosen = rng.permutation(len(images.classes))[:way].tolist()
    for label in chosen:
        name = re.sub(r"\W+", "-", images.classes[label])
        members = rng.permutation(np.flatnonzero(np.asarray(images.labels) == label))[: shot + query].tolist()
        for number, index in enumerate(members):
            path = Path("support") / name / f"{number}.png" if number < shot else Path("query") / f"{name}-{number}.png"
            _save(images, index, out / path)
    return tuple(images.classes[label] for label in chosen)


def _save(images: SheetImages, index: int, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(images.read([index])[0].permute(1, 2, 0).numpy()).save(path)


def main() -> None:
    """Parse the command line and export the images."""
    parser = argparse.ArgumentParser(prog="python -m freeshot_vision.pocket.samples", description=__doc__)
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--out", type=Path, required=True)
    for name, default in (("way", 5), ("shot", 1), ("query", 3), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    classes = lay_out(open_sheet(DATA, arguments.pop("dataset"), "novel"), out, **arguments)
    print(f"Pictures of {', '.join(classes)} are in {out / 'support'} and {out / 'query'}.")


if __name__ == "__main__":
    main()
