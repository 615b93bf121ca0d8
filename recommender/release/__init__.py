"""A release: manifest, catalogue and stored lists.

The manifest names the size and the hash of each file and is read first. `index/release` writes releases.
"""
