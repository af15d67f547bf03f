"""The ground floor: errors, names, seeds, files, statistics and prototypes; imports nothing of ours."""
