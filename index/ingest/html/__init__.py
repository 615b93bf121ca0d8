"""HTML to text, metadata and "Read more" lists.

Pages are parsed in worker processes with a time and a memory limit, without a network.
"""
