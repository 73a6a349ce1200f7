"""What each kind of inbox item does. ``assembly/handlers.py`` has the table from kind to handler.

A handler returns the question that its item asks, or ``None`` when it did everything itself.
"""
