"""Dense search: MaxSim over chunk vectors, exact, in two tiers, or in Milvus.

All back ends implement `VectorIndex` of `exact`. `index/vectors` writes the vectors.
"""
