"""Define the routes: articles, related lists, operations, the first page, the widget.

Each module holds one router. It parses, calls the library once and renders.
"""
