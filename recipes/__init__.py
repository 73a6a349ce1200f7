"""What is run by hand to make the artifacts that are shipped. Nothing here is installed."""
