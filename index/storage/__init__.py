"""Files: locks, atomic replacement, arrays that grow, sorting on disk.

Nothing here knows articles; disk errors become one `StorageError` that names the cause.
"""
