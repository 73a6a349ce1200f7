"""How plugins are called: threads, limits and errors, and the record of failed calls."""
