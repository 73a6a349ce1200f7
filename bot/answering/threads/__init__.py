"""What a message in a thread leans on, and which messages ask nothing."""
