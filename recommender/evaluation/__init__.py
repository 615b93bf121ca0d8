"""Evaluation metrics against hand-made lists (qrels), and baselines to compare with.

nDCG, recall and confidence intervals follow their plain definitions. The baselines include a search engine.
"""
