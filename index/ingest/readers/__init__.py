"""Read article files: one module for each format, all of which yield the same records.

`sources` lists them by name and extension. A new reader is one module here and one line there.
"""
