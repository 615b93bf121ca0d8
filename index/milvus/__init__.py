"""The vectors of a release in Milvus: written, verified, switched to, looked into."""
