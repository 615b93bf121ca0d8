"""Upserts and deletes between builds: `live.db` and its lists.

One SQLite transaction for each change; the service writes through this room, `recommender/live` reads it.
"""
