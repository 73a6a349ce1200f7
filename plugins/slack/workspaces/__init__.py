"""The Slack workspaces that an instance serves: their installations, and the names of their people and channels."""
