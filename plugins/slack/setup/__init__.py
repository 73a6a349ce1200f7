"""Making the Slack app and checking it: ``mentee slack``."""
