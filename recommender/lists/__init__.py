"""From ranked candidates to a list: filter, diversify (MMR), pin, block, explain.

`selection` filters and diversifies. `items` applies overrides, and renders each item.
"""
