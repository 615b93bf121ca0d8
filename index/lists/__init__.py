"""Compute the related lists of all articles: nearest neighbours, candidates, features, explanations.

Worker processes compute blocks of articles. Finished lists are checkpointed for `--resume`.
"""
