"""Diagnose, verify, roll back and compare releases.

Commands call these functions. None of them changes a release.
"""
