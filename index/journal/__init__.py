"""The journal: updates that several machines share through PostgreSQL.

Each machine's `live.db` is a replica that follows the journal and computes its own lists.
"""
