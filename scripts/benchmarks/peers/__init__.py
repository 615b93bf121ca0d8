"""Measure the alternatives to Readmore, each in a process of its own (`scripts/benchmarks/peers_run.py`).

No peer is a dependency of Readmore. Only the peer's own process imports its library, in the interpreter chosen for it.
"""
