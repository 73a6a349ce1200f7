"""What surrounds the messages: App Home, the agent pane, the slash command."""
