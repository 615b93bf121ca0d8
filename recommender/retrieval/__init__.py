"""Candidates of an article or a text, with their features.

Stored articles, live articles and near-duplicates are found here; nothing is sorted or cut.
"""
