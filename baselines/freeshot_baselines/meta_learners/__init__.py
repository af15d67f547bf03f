"""Meta-learners, which train one meta-LoRA over many tasks; each works with any inversion."""
