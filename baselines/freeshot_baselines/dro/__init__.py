"""DRO (Wang et al., UAI 2022), re-implemented for a pool of LoRAs: a hypernetwork over weights, robust to shifts."""
