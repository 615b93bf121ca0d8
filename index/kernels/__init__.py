"""Compile the inner loops of the batch job with numba.

The numpy modules `recommender.vectors.maxsim`, `recommender.terms.inverted_index` and
`recommender.retrieval.explanations` define the results, for one text at a time. The loops process a block of articles,
over arrays of the whole archive. Tests compare the two.
"""

from index.kernels.arrays import FREE, Chunks, Mentions, SentenceArrays, TermArrays, Titles
from index.kernels.describe import best_sentences, describe
from index.kernels.maxsim_loops import keep_highest, nearest_by_scores, nearest_of, rows_of, scores_of_products
from index.kernels.terms import mentioned, nearest_in_words, shared_terms

__all__ = [
    "FREE",
    "Chunks",
    "Mentions",
    "SentenceArrays",
    "TermArrays",
    "Titles",
    "best_sentences",
    "describe",
    "keep_highest",
    "mentioned",
    "nearest_by_scores",
    "nearest_in_words",
    "nearest_of",
    "rows_of",
    "scores_of_products",
    "shared_terms",
]
