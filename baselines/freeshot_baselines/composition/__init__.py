"""Weight-space composition: one LoRA made from the weights of many, without any image."""
