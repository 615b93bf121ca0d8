"""The vectors of a release in Milvus: written, verified, switched to.

Rows are upserted by id, so a block that is sent twice is stored once; `recommender/vectors` searches them.
"""
