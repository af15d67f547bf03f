"""Paths of the shipped files."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "data"
"""Sheets and cards of the data sets."""
WEIGHTS = HERE / "weights" / "pocket-vit.safetensors"
"""The pre-trained network."""
POOL = HERE / "pool"
"""The LoRAs tuned on it."""
