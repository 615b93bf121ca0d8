"""Store the vectors of chunks: the embedding cache and the files of a release.

Each text is embedded once and kept by its sha256. `recommender/vectors` reads the files.
"""
