"""Errors of the HTTP API as problem details (RFC 9457): their types, the responses, and a page about each type."""
