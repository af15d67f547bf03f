"""Heads on frozen features, used instead of the nearest class mean."""
