"""Scrubbers: plugins that remove personal data and secrets from texts before a round learns from them."""
