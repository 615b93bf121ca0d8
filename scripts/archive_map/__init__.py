"""The map of an archive: its points, their layout, and the files it is written to.

One HTML file that opens from disk, and a Parquet table for other viewers.
"""
