"""Weight-space composition: one LoRA computed from the weights of many, without images."""
