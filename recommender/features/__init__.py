"""Ranking features of a candidate, and the ranker that weighs them.

`feature_schema` names each feature once, and `feature_assembly` computes those of article pairs. `article_features` and
`link_history` hold what they follow from.
"""
