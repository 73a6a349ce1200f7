"""Trains what decides whether two questions ask the same."""
