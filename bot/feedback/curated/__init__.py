"""Curated answers: agents' corrections, given to people who ask the same, and suggested to those who may."""
