"""Readers: one module for each format, all of them yield the same records.

`sources` lists them by name and ending; a new reader is one module here and one line there.
"""
