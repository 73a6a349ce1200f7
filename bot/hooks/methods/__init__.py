"""The plugin host's methods by what they are about. Those for the start, feedback and events are in the host."""
