"""LTE (Huh et al., 2024): parallel LoRA heads that are merged periodically, on surrogates."""
