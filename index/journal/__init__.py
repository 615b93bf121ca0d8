"""Share updates between several machines through a PostgreSQL journal.

Each machine's `live.db` is a replica that follows the journal and computes its own lists.
"""
