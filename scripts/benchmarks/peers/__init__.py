"""What a user would take instead of Readmore, each measured in a process of its own (`scripts/benchmarks/peers_run.py`).

None of these is a dependency of Readmore: a peer's library is imported by its own process alone, in the interpreter that it is given.
"""
