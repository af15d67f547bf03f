"""Ways to recover images from a LoRA, usable by every method that has an option `inversion`."""
