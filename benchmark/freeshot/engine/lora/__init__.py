"""Stacked LoRAs, low-rank factors, and models and learners that use them."""
