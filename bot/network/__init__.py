"""Requests to addresses that somebody else chose: which may be reached, and within what limits."""
