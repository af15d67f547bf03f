"""FREE (Wei et al., CVPR 2024), re-implemented for a pool of LoRAs on a frozen ViT: FIVE inverts, BELL meta-learns."""
