"""Settings of an instance."""
