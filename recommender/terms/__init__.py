"""The inverted index: vocabulary, postings and sparse vectors of an archive.

Symmetric TF-IDF cosine over words and word pairs; `index/terms` writes what is read here.
"""
