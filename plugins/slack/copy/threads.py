"""What is said of threads."""

from __future__ import annotations


def the_thread() -> str:
    """What the messages above a question are called."""
    return "this thread"


def thread_unread() -> str:
    """Under the answer to a message that leans on a thread which Mentee can't read."""
    return "I can't see the earlier messages in this thread, so I read only yours. Ask me the whole question."
