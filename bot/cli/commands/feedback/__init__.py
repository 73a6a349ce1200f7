"""Commands for votes and curated answers."""
