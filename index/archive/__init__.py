"""The archive as it will be: sources merged with the serving release.

Articles come out in order of ids, so a release depends on its content and not on its history.
"""
