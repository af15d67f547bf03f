"""One cell from spec to record."""
