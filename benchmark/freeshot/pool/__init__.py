"""Pools of LoRAs on disk: PEFT adapters, heads and a card; open, verify, import and build."""
