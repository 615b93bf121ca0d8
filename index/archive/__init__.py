"""Merge the sources with the serving release into the archive of the next release.

Articles are sorted by id, so a release depends on its content and not on its history.
"""
