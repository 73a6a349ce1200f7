"""Where a delivery goes, as its outbox row keeps it: to whom, into which thread, and what may be left unsaid.

``channel`` and ``thread_ts``
    the conversation and the thread whose question is answered; ``thread_ts`` is null for what roots a thread.
``team``
    the workspace of who asked: its token is used where there are several, and Slack wants it for a stream.
``response_url``
    of the command that asked: the answer goes there, to its one person.
``user``
    the one person who sees it. ``shown_in`` is the thread to show it in, null for the channel itself: Slack shows what
    one person alone sees only in threads that have replies.
``offer``
    ``share`` for an answer that its reader may share with the channel; ``private`` for the offer to answer in private.
``quiet`` and ``asked``
    what a question that did not mention us gets when nothing is found (``react`` or ``silent``), and its ``ts``.
``stray``
    the message did not mention us: thanks and the like among others are left without a reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugins.slack.workspaces.channels import ChannelSettings

SHARE, PRIVATE = "share", "private"


def answer_address(payload: Mapping[str, Any], settings: ChannelSettings) -> dict[str, Any]:
    """Return where the answer to a question goes.

    :param payload: the inbox item's.
    """
    if payload["direct"]:
        return private_address(payload)
    if settings.private_first:
        return {**private_address(payload), "offer": SHARE}
    address = _thread(payload)
    if not payload.get("addressed", True):
        address["stray"] = True
        if settings.quiet != "off":
            address |= {"quiet": settings.quiet, "asked": payload["ts"]}
    return address


def private_address(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return where something goes that only the writer of a message reads; in a channel nobody else sees it."""
    if "response_url" in payload:
        return {key: payload[key] for key in ("team", "channel", "user", "response_url")}
    address = _thread(payload)
    if payload["direct"]:
        return address
    shown_in = None if payload["thread"] == payload["ts"] else payload["thread"]
    return {**address, "user": payload["user"], "shown_in": shown_in}


def for_one_reader(address: Mapping[str, Any]) -> bool:
    """Return whether one person alone sees the delivery, in a channel."""
    return "shown_in" in address


def shown_while_made(address: Mapping[str, Any]) -> bool:
    """Return whether readers may watch the answer being made: not what one person sees, nor what may stay unsaid."""
    return not for_one_reader(address) and "quiet" not in address


def better_unsaid(address: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Return whether a delivery is a text that nobody asked for: nothing was found, asked, or the answer failed."""
    if payload.get("source") == "courtesy":
        return "stray" in address
    return "quiet" in address and not payload.get("known", False)


def _thread(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"team": payload["team"], "channel": payload["channel"], "thread_ts": payload["thread"]}
