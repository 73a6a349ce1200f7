"""What the guards say about everything that an answer shows."""
