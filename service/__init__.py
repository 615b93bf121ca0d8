"""HTTP: what the recommender answers, over the wire."""
