"""Upsert and delete articles between builds: `live.db` and its lists.

Each change is one SQLite transaction. The service writes through this package, and `recommender/live` reads it.
"""
