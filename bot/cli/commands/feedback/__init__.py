"""Commands for votes, curated answers and outcomes."""
