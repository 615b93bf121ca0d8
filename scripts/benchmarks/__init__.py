"""Benchmarks: build, service, scale, and peers in the same run.

Their figures are printed with the machine's own peaks; docs/benchmarks.md keeps the last ones.
"""
