"""Store the vectors of a release in Milvus: write, verify, switch the alias.

Rows are upserted by id, so a block that is sent twice is stored once. `recommender/vectors` searches them.
"""
