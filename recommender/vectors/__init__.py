"""Dense search: MaxSim over the vectors of chunks, exact, in two tiers, or in Milvus.

All back ends implement `VectorIndex` of `exact`; `index/vectors` writes what is read here.
"""
