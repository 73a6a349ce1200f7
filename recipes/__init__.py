"""Recipes that you run by hand to make the shipped artifacts. They aren't installed."""
