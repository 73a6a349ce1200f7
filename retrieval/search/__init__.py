"""Hybrid search, limited to what the audience may read."""
