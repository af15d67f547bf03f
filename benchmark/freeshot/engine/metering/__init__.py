"""Seconds, operations, memory and GPU energy of a block of code."""
