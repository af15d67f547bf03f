"""The pocket suite: everything needed to measure the methods on two CPU cores, shipped inside the wheel."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
"""Sheets and cards of the data sets."""
EXAMPLES = Path(__file__).parent / "examples"
"""An episode of each shipped data set as a picture, for leaderboards."""
WEIGHTS = Path(__file__).parent / "weights" / "pocket-vit.safetensors"
"""The pre-trained network."""
POOL = Path(__file__).parent / "pool"
"""The LoRAs tuned on it."""
