"""Arrays and SQLite files of a release, read in place.

Everything here is mapped or opened read-only and shared between processes; `index/storage` writes it.
"""
