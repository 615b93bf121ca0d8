"""Text of an article: cleaned, split into words, cut into chunks.

The build and the service call the same functions, so that both see the same words; URLs and pasted pages too.
"""
