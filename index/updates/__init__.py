"""The online write path: articles, overrides and judgements, alone or through the journal.

The service writes through this room; it decides whether `live.db` or the shared journal takes the change.
"""
