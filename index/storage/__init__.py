"""Handle files: locks, atomic replacement, growing arrays, sorting on disk.

This package knows nothing of articles. Disk errors become a `StorageError` that names the cause.
"""
