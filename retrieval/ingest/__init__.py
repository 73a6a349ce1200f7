"""Ingestion: reading sources, and storing and indexing their documents."""
