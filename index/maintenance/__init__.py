"""Doctor, verification, rollback and the comparison of releases.

Commands call these functions; none of them changes a release.
"""
