"""Releases in a remote store: pushed by the machine that builds, pulled by those that serve.

Only files that changed travel, and each is checked by its sha256 before it is used.
"""
