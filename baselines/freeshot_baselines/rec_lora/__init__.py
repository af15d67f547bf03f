"""RecLoRA: several meta-LoRAs side by side, and a router that weighs them for each task."""
