"""State in SQLite or PostgreSQL, and artifacts on disk."""
