"""Releases on their way: pushed into a store by the machine that builds, pulled from it by those that serve."""
