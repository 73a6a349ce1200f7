"""The bot scopes that Slack asks for before it answers a method, from Slack's method pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CHAT, USERS, REACT, ASSISTANT = "chat:write", "users:read", "reactions:write", "assistant:write"
SCOPES: Mapping[str, str] = {
    "assistant.threads.setStatus": CHAT,
    "assistant.threads.setSuggestedPrompts": ASSISTANT,
    "assistant.threads.setTitle": ASSISTANT,
    "bots.info": USERS,
    "chat.appendStream": CHAT,
    "chat.delete": CHAT,
    "chat.postEphemeral": CHAT,
    "chat.postMessage": CHAT,
    "chat.startStream": CHAT,
    "chat.stopStream": CHAT,
    "chat.update": CHAT,
    "files.info": "files:read",
    "reactions.add": REACT,
    "reactions.remove": REACT,
    "usergroups.users.list": "usergroups:read",
    "users.info": USERS,
}
BY_CONVERSATION: Mapping[str, str] = {
    "conversations.history": "history",
    "conversations.info": "read",
    "conversations.open": "write",
    "conversations.replies": "history",
}
KINDS: Mapping[str, str] = {"D": "im", "G": "mpim"}
EVERY = frozenset(
    {
        *SCOPES.values(),
        *(f"{kind}:{right}" for kind in ("channels", "groups", "im", "mpim") for right in ("history", "read")),
    }
    | {"app_mentions:read", "commands", "im:write", "reactions:read"}
)
"""What the fake's bot token was granted unless a test says otherwise."""


def needed(method: str, arguments: Mapping[str, Any]) -> str | None:
    """Return the scope without which the call is refused; reading a conversation takes the scope of its kind."""
    right = BY_CONVERSATION.get(method)
    if right is None:
        return SCOPES.get(method)
    return f"{KINDS.get(str(arguments.get('channel', 'D'))[:1], 'channels')}:{right}"
