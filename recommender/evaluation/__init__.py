"""Metrics against hand-made lists, and baselines to compare with.

nDCG, recall and intervals by plain definitions; the baselines are what a search engine would do.
"""
