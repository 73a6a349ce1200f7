"""Guards' checks of everything that an answer shows."""
