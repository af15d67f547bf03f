"""Heads on frozen features: what classifies an episode in place of the nearest class mean."""
