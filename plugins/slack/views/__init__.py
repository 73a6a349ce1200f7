"""What surrounds the messages: App Home, modals, the slash command, and the assistant's prompts and titles."""
