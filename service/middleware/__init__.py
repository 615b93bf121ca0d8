"""Run middleware: request ids, access control, limits of bodies.

A request passes through it before routing. Refusals are sent before the body is read.
"""
