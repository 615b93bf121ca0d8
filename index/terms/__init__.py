"""Count the terms of an archive: tokens, sentences, fingerprints, postings.

Counting uses sorted runs on disk, within the memory of the build. `recommender/terms` reads the result.
"""
