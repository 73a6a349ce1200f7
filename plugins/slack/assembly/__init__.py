"""Assembles the plugin: makes every part and gives it what it needs."""
