"""The test kit: fixtures for our tests and for plugin authors', loaded by :mod:`bot.testing.plugin`."""

WAIT_SECONDS = 20.0
"""How long a test waits for what is to happen: a machine that many tests share may stand still for a while."""
