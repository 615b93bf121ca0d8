"""Translate between HTTP and library calls: parameters, models, formats, caching, problems.

This package defines no routes.
"""
