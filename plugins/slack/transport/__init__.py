"""The way in: Socket Mode or signed HTTP, and the listeners that commit an inbox row and acknowledge."""
