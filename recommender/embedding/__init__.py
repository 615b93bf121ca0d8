"""Embedders: turn texts into vectors of unit norm.

sentence-transformers is the reference, OpenVINO the fast embedder. Both load with the first text, not on import.
"""
