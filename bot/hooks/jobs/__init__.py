"""When jobs of plugins are due, and how they run."""
