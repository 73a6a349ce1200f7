"""Scrubbers: plugins that take personal data and secrets out of texts before a round may learn from them."""
