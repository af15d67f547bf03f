"""TEAPOT (trustworthy data-free meta-learning), re-implemented for a pool of LoRAs, some of which may be poisoned."""
