"""Images on disk: decoding, folders, archives, split files, checksums, near duplicates, and users' own data sets."""
