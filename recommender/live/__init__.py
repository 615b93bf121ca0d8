"""Updates since the build: `live.db`, and the overlay that applies them to a release.

An overlay is the state at one moment. A request takes one overlay and uses it throughout. `index/live` writes
`live.db`.
"""
