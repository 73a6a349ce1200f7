"""When jobs of plugins are due, and how they are run."""
