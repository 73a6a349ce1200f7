"""Base models: the catalogue, and fetching models to this machine."""
