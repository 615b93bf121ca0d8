"""Terms of an archive: tokens, sentences, fingerprints, postings.

Counted in sorted runs on disk, within the memory of the build; `recommender/terms` reads the result.
"""
