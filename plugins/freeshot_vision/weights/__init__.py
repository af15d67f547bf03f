"""Published weights: where they are, how they are fetched, verified and converted to safetensors."""
