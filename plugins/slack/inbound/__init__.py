"""Receives events: Socket Mode or signed HTTP, and Bolt's listeners, which commit an inbox item and acknowledge."""
