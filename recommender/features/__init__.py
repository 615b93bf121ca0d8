"""Ranking features of a candidate, and the ranker that weighs them.

`feature_schema` names each feature once. `article_features` and `link_history` compute the features of article pairs.
"""
