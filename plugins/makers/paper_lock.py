"""Images of each novel class, as stated by publishers: `python -m makers.paper_lock`.

These counts determine the image indices of a track's episodes; the printed lock file has the hash of that index list.
Data sets that exist in several versions, or whose class sizes are not published, are not included.
"""

from __future__ import annotations

import json

from freeshot import Track
from freeshot.evaluation.episodes import frozen_indices
from freeshot_vision.paper.tracks import SMALL_TRACKS, TRACKS, VALIDATION

FLOWERS = (65, 46, 49, 49, 43, 67, 127, 59, 40, 196, 102, 63, 184, 162, 91, 82)
VALIDATION_CLASSES = 16
"""Of CIFAR-FS, the only set with validation tracks; all its classes have equally many images."""
COUNTS: dict[str, tuple[int, ...]] = {
    "cifar-fs": (600,) * 20,  # Krizhevsky, 2009: 500 training and 100 test images a class
    "mini-imagenet": (600,) * 20,  # Vinyals et al., 2016: 600 a class
    "vgg-flower": FLOWERS,  # Nilsback and Zisserman, 2008: the labels of imagelabels.mat
    "isic": (327, 514, 1099, 115, 1113, 6705, 142),  # Tschandl et al., 2018: AKIEC BCC BKL DF MEL NV VASC
    "eurosat": (3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000),  # Helber et al., 2019; by name of class
    "dtd": (120,) * 7,  # Cimpoi et al., 2014: 120 a class
    "omniglot": (20,) * 659,  # Lake et al., 2015: 20 people
    "quick-draw": (1000,) * 52,  # as many as are used; Google, 2017: 50 million drawings in 345 categories
    "aircraft": (100,) * 15,  # Maji et al., 2013: 100 a variant
    "cifar-fs:per_class=100": (100,) * 20,
    "mini-imagenet-60": (60,) * 20,
    "vgg-flower-64": FLOWERS,
    "eurosat-500": (500,) * 10,
    "isic-300": (217, 222, 263, 73, 263, 296, 98),  # one picture a lesion: AKIEC BCC BKL DF MEL NV VASC
}


def lock() -> dict[str, dict[str, str]]:
    """Return the hash of the index list of every track for which it is determined."""
    counted = [track for track in (*TRACKS, *SMALL_TRACKS, *VALIDATION) if track.dataset in COUNTS]
    return {track.name: {"indices_sha256": frozen_indices(track, _counts(track))} for track in counted}


def _counts(track: Track) -> tuple[int, ...]:
    """Return the number of images of each class of the track's split."""
    counts = COUNTS[track.dataset]
    return counts if track.split == "novel" else counts[:VALIDATION_CLASSES]


if __name__ == "__main__":
    print(json.dumps(lock(), indent=1, sort_keys=True))
