"""Offline: read an archive, build an index, publish it. `recommender` reads what is written here."""
