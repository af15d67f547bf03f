"""Stored intermediate results: artifacts, checkpoints, decoded pixels."""
