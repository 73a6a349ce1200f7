"""Trains the classifier that decides whether two questions ask the same."""
