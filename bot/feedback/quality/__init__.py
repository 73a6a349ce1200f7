"""How good answers are: the grades that agents give, and how far agents agree."""
