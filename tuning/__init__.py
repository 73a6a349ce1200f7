"""Trains adapters from votes and corrections: datasets, training, evaluation, and the rounds that run them."""
