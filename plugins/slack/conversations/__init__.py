"""What people write in Slack, as questions."""
