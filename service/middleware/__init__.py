"""Middleware: request ids, access control, limits of bodies.

A request passes here before it is routed; refusals come before the body is read.
"""
