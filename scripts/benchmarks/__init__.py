"""Run the benchmarks: build, service, scale, and peers in the same run.

Figures are printed with the machine's own peaks. docs/benchmarks.md holds the latest figures.
"""
