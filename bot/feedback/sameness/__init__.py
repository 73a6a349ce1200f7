"""Decides whether two questions ask the same: rules for what contradicts, and a classifier for the rest."""
