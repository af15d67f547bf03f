"""RecLoRA: several parallel meta-LoRAs, and a router that weights them for each task."""
