"""SoRA (Ding et al., EMNLP 2023): LoRAs whose ranks have gates, of which a sparsity penalty closes the unneeded."""
