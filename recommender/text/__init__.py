"""Text of an article: cleaned, split into words, cut into chunks.

The build and the service use the same functions, so that both see the same words. URLs and pasted pages are here too.
"""
