"""Published data sets in their original files: read from the user's data folder, never downloaded."""
