"""Seconds, operations, memory and energy of a stretch of work."""
