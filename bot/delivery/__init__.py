"""Messages in and out: the inbox, the outbox, and the worker between them."""
