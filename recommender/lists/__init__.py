"""From ranked candidates to a list: filter, diversify (MMR), pin, block, explain.

`selection` filters and diversifies, `assembly` applies overrides, `items` renders each item.
"""
