"""Posts what is in the outbox, so that people see each message once, and shows answers while they are written."""
