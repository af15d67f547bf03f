"""Data sets, backbones and the embedded pocket suite."""
