"""Engines that generate text, and the models and adapters that they serve."""
