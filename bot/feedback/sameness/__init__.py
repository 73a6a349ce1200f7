"""Decides whether two questions ask the same: rules for contradictions, and a classifier for the rest."""
