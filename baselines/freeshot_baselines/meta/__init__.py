"""Meta-learners: ways to train one shared LoRA over many tasks. Any of them goes with any inversion."""
