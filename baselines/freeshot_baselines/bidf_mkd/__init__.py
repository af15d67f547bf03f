"""BiDf-MKD (Hu et al., ICML 2023), re-implemented for black-box LoRAs: only their logits are used."""
