"""Mail, as files of its own with what is attached to it."""
