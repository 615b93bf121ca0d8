"""From ranked candidates to a list: filter, diversify (MMR), pin, block, explain.

`selection` chooses, `assembly` applies overrides, `items` renders each line.
"""
