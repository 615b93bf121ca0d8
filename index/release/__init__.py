"""Write the files of a release (catalogue, article features, manifest), and publish it.

Publishing is atomic: the manifest is written last, and CURRENT is replaced in one step. `recommender/release` reads the
files.
"""
