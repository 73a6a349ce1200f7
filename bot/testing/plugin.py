"""Mentee's test kit as a pytest plugin: the fixtures of the sibling modules, for our tests and for plugin authors'."""

from __future__ import annotations

from bot.testing.engines import scripted_engine

__all__ = ["scripted_engine"]
