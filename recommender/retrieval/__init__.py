"""Candidates of an article or a text, with their features.

Modules here find stored articles, live articles and near-duplicates. `recommender/lists` sorts and cuts.
"""
