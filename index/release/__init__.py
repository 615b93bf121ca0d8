"""The files of a release: catalogue, article features, manifest; and publishing.

Publishing is atomic: the manifest is written last, CURRENT is replaced in one step. `recommender/release` reads it.
"""
