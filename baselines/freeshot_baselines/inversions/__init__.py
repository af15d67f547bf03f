"""Further inversions, usable by every method with an option `inversion`."""
