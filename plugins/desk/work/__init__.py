"""The work of the desk: what waits, in which order, and who works on what."""
