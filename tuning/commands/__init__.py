"""The commands that tuning brings."""
