"""Write articles, overrides and judgements online, on one machine or through the journal.

The service writes through this package, which decides whether `live.db` or the shared journal takes the change.
"""
