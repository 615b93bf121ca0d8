"""Push releases to a remote store from the building machine, and pull them on the serving machines.

Only changed files are transferred. Each is verified by its sha256 before it is used.
"""
