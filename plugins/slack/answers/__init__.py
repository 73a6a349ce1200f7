"""The way out: answers as Slack messages, each seen once."""
