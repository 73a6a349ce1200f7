"""How calls of plugins are made: their threads, limits and errors, and the record of those that failed."""
