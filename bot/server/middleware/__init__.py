"""Pure ASGI middleware around the whole server: one class per file, each with one duty."""
