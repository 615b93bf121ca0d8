"""Requests and answers: parameters, models, formats, caching, problems.

Everything between the wire and a call of the library; no route is defined here.
"""
