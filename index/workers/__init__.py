"""Distribute blocks of work over local processes or actors of a Ray cluster.

Both yield results in the order of the blocks, so a build does not depend on the assignment of work.
"""
