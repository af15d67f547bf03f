"""Pools of LoRAs on disk: PEFT adapters, heads and one card; opened, verified, built."""
