"""Updates since the build: `live.db`, and the overlay that applies them to a release.

An overlay is one moment; a request takes it once and hands it on. `index/live` writes the database.
"""
