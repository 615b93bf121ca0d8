"""Related lists of all articles: nearest neighbours, candidates, features, explanations.

Blocks of articles go to worker processes; finished lists are checkpointed for `--resume`.
"""
