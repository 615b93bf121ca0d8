"""Read an archive offline, build its index and publish the release that `recommender` reads."""
