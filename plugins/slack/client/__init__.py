"""Calls to Slack: the Web API, response URLs, and small tasks that run beside the messages."""
