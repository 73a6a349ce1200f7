"""What is said of files that came with a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def unnamed() -> str:
    """What a file without a name is called."""
    return "a file"


def question_missing(names: Sequence[str], problems: Sequence[str]) -> str:
    """What somebody reads who sent files and no word."""
    ask = f"What would you like to know about {', '.join(names)}? Ask in the same message as the file."
    return " ".join([*problems, ask if names else "Please write what you would like to know."])


def too_many(name: str, most: int) -> str:
    """Of a file beyond those read of one message."""
    return f"I didn't read {name}: I read at most {most} files per message."


def too_large(name: str, most: int) -> str:
    """Of a file over the limit."""
    return f"I can't read {name}: it is larger than {most // 1_000_000} MB."


def deleted(name: str) -> str:
    """Of a file that is gone."""
    return f"I can't read {name}: it was deleted."


def hidden(name: str) -> str:
    """Of a file that Slack keeps back because of the workspace's plan."""
    return f"I can't read {name}: your Slack plan hides it."


def elsewhere(name: str) -> str:
    """Of a file that Slack only links to."""
    return f"I can't read {name}: it isn't stored in Slack. Paste its text, or attach the file itself."


def not_shared_here(name: str) -> str:
    """Of a file whose id came with a message, but which Slack does not count among those shared there."""
    return f"I can't read {name}: it isn't shared in this conversation."


def not_handed_over(name: str) -> str:
    """Of a file that Slack kept failing to give."""
    return f"I can't read {name}: Slack isn't handing it over right now. Attach it again later."


def signed_out(name: str) -> str:
    """Of a file that our token may not read."""
    return f"I can't read {name}: Slack doesn't let me. An operator can see why with `mentee slack doctor`."
