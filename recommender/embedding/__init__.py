"""Embedders: from text to vectors of unit norm.

sentence-transformers is the reference, OpenVINO the fast way; both load at the first text, not on import.
"""
