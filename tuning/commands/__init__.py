"""Commands of the tuning plugin."""
