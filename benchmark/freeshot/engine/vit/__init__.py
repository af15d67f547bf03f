"""Forward passes of vision transformers, with fewer patches and with LoRAs."""
