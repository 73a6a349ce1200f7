"""Commands that change everything an instance stores at once."""
