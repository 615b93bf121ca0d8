"""The build on the nodes of a Ray cluster: what `index.processes` is on one machine."""
