"""Memory-mapped arrays and read-only SQLite files of a release.

Processes share the mapped pages. `index/storage` writes these files.
"""
