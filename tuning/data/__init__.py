"""Builds datasets from votes and corrections: aggregate, scrub, deduplicate, split, write."""
