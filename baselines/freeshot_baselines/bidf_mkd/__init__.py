"""BiDf-MKD (Hu et al., ICML 2023), re-implemented for LoRAs behind services: asked, never seen."""
