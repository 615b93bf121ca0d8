"""HTTP service over the recommender."""
