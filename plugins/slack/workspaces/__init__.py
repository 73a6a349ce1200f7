"""The Slack workspaces that an instance serves: their installations, and how their people and channels are called."""
