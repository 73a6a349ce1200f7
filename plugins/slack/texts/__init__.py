"""Every text that people read in Slack, by where they read it."""
