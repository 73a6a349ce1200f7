"""The web server: the ASGI application and what runs as long as it does."""
