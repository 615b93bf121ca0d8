"""Measure the overlap of two ranked lists."""

from collections.abc import Sequence

PERSISTENCE = 0.8
"""Parameter p of rank-biased overlap: the chance that a reader looks at the next line.

At this value the first five lines weigh two thirds of an endless list.
"""


def jaccard(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the Jaccard index of two lists: the share of their articles that both show. It is 1 for two empty lists.

    >>> jaccard(["a", "b"], ["b", "c"]), jaccard([], [])
    (0.3333333333333333, 1.0)
    """
    either = {*one, *other}
    return len({*one} & {*other}) / len(either) if either else 1.0


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], p: float = PERSISTENCE) -> float:
    """Return the rank-biased overlap of two rankings, from 0 to 1. The top counts most.

    The formula is RBO_EXT, equation 32 of Webber, Moffat and Zobel (2010). X(d) is the number of articles that both
    show in their first d lines. s and l are the lengths of the shorter and the longer list:

        (1 - p) / p * (sum over d = 1..l of X(d) / d * p^d  +  sum over d = s+1..l of X(s) (d - s) / (s d) * p^d)
        + ((X(l) - X(s)) / l + X(s) / s) * p^l

    The agreement at the end of the lists is extrapolated beyond them. Two equal lists have 1, and so have two empty
    lists. An empty and a filled list have 0.

    >>> rank_biased_overlap("abc", "abc"), rank_biased_overlap("abc", "xyz"), round(rank_biased_overlap("abc", "bac"), 6)
    (1.0, 0.0, 0.8)
    """
    shorter, longer = sorted((one, other), key=len)
    s, length = len(shorter), len(longer)
    if not s:
        return 1.0 if not length else 0.0
    both = [len({*shorter[:depth]} & {*longer[:depth]}) for depth in range(length + 1)]
    seen = sum(both[d] / d * p**d for d in range(1, length + 1))
    beyond = sum(both[s] * (d - s) / (s * d) * p**d for d in range(s + 1, length + 1))
    end = (both[length] - both[s]) / length + both[s] / s
    return min(1.0, (1 - p) / p * (seen + beyond) + end * p**length)
