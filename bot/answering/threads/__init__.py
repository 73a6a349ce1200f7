"""How a message depends on its thread, and which messages aren't questions."""
