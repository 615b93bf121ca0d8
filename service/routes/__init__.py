"""Routes: articles, related lists, operations, the first page, the widget.

Each module holds one router; it parses, calls the library once and renders.
"""
