"""Pre-training of pocket-vit on icons, emoji and photographs."""
