"""The map of an archive: what is on it, where it lies, and the files it is written to."""
