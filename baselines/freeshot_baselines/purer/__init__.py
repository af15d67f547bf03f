"""PURER (Hu et al., CVPR 2023), re-implemented for a pool of LoRAs: pixels and learner are optimised in alternation."""
