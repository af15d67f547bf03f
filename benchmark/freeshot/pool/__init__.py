"""Pools of LoRAs on disk: PEFT adapters, heads and a card; open, verify, import and build."""

from __future__ import annotations

POOL_CARD, ADAPTER_CARD = "pool.json", "freeshot.json"
"""Names of the cards' files; `freeshot list` looks for pools without loading pydantic, which reads the cards."""
