"""Convert HTML to text, metadata and "Read more" lists.

Worker processes parse the pages, with limits of time and memory, and without a network.
"""
