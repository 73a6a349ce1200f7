"""How questions end: which outcome follows from what is known of a question, and the figures made of outcomes."""
