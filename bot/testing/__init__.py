"""The test kit: fixtures for our tests and for plugin authors', loaded by :mod:`bot.testing.plugin`."""
