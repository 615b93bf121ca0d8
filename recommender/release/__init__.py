"""A release: manifest, catalogue and stored lists.

It is opened by its manifest, which names the size and the hash of each file; `index/release` writes it.
"""
