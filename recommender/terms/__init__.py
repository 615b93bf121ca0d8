"""The inverted index: vocabulary, postings and sparse vectors of an archive.

Similarity is the symmetric TF-IDF cosine over words and word pairs. `index/terms` writes these files.
"""
