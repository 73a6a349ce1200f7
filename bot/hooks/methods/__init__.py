"""The plugin host's methods, by subject. Those for startup, feedback and events are in the host."""
