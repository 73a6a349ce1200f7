"""Creates and checks the Slack app: ``mentee slack``."""
