"""Images on disk: pictures, folders, archives, split files, checksums, look-alikes, and people's own data sets."""
