"""For plugin authors: a toy world in which the whole pipeline runs on a CPU in seconds."""
