"""Who works on blocks: processes of this machine, or actors of a Ray cluster.

Both yield results in the order of the blocks, so a build does not depend on who computed what.
"""
