"""Web chat for tests."""
