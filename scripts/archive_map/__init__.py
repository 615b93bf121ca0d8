"""Draw the map of an archive: its points, their layout, and its output files.

The output is one HTML file that opens from disk, and a Parquet table for other viewers.
"""
