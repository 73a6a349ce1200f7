"""Slack's events as inbox items. Pure functions: nothing is looked up and nothing is answered here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.deliveries import InboxItem
from plugins.slack.items import CHECK_FILE, CHECK_MARK, GREETING, NAME, QUESTION, REACTION, message_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bot.domain.feedback import VoteValue

SPOKEN = (None, "file_share", "thread_broadcast")
"""Subtypes of messages that people write; edits, deletions, joins and the like have others."""
SLACKBOT = "USLACKBOT"
"""Slack's own voice, which carries no bot id."""
THUMBS: Mapping[str, VoteValue] = {"+1": "up", "thumbsup": "up", "-1": "down", "thumbsdown": "down"}
CHECK_MARKS = frozenset({"white_check_mark", "heavy_check_mark", "ballot_box_with_check"})
"""Emoji that mark the reply which answers; on one of our own messages, they are a thumb up."""
FILE_FIELDS = (
    "id", "name", "title", "filetype", "mimetype", "size", "mode", "is_external", "file_access", "url_private",
    "url_private_download",
)  # fmt: skip
"""What is kept of a file, to fetch it later."""


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message that may be a question. ``addressed`` is false for one that neither mentions us nor is direct."""

    item: InboxItem
    addressed: bool


def message(body: Mapping[str, Any]) -> IncomingMessage | None:
    """Return the question in an ``app_mention`` or ``message`` event, or ``None`` when it cannot be one.

    A mention comes as both events; they share the message key, so they become one inbox item.
    """
    event, me = body["event"], _me(body)
    files, shared = _files(event), _shared(event, body.get("team_id", ""))
    user, text = event.get("user"), event.get("text", "" if files or shared else None)
    if event.get("subtype") not in SPOKEN or event.get("bot_id") or not user or user in (me, SLACKBOT) or text is None:
        return None
    direct = event.get("channel_type") == "im"
    mentioned = event["type"] == "app_mention" or bool(me and f"<@{me}>" in text)
    team, channel, ts = body.get("team_id", ""), event["channel"], event["ts"]
    payload = {
        "me": me,
        "team": team,
        "channel": channel,
        "direct": direct,
        "external": bool(body.get("is_ext_shared_channel")),
        "user": user,
        "text": text,
        "ts": ts,
        "thread": event.get("thread_ts") or ts,
        "addressed": direct or mentioned,
        **_guest(body, event),
        **({"files": files} if files else {}),
        **({"shared": shared} if shared else {}),
    }
    item = InboxItem(NAME, QUESTION, payload, f"{NAME}:{body['event_id']}", message_key(team, channel, ts))
    return IncomingMessage(item, addressed=direct or mentioned)


def reaction(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the vote in an emoji reaction to one of our messages, or ``None``. Skin tones count alike.

    A check mark on a message that may be a person's is no vote: it may mark the reply which answers.
    """
    event, me = body["event"], _me(body)
    name, item = event["reaction"].partition("::")[0], event.get("item", {})
    checked = name in CHECK_MARKS and bool(me) and event.get("item_user") == me
    value: VoteValue | None = "up" if checked else THUMBS.get(name)
    ours = not me or event.get("item_user") in (None, me)
    if value is None or item.get("type") != "message" or not ours or event["user"] == me:
        return None
    payload = {
        "user": event["user"],
        "channel": item["channel"],
        "ts": item["ts"],
        "value": value,
        "removed": event["type"] == "reaction_removed",
        "at": float(event["event_ts"]),
        **({"here": body["team_id"]} if _with_guests(body) else {}),
    }
    again = ":vote" if checked else ""  # the same event may also be a check mark on a reply, under its own key
    return InboxItem(NAME, REACTION, payload, f"{NAME}:{body['event_id']}{again}")


def check_mark(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the check mark that somebody put on a message, or ``None`` for another reaction."""
    event = body["event"]
    item = event.get("item", {})
    if event["type"] != "reaction_added" or event["reaction"] not in CHECK_MARKS or item.get("type") != "message":
        return None
    payload = {"user": event["user"], "channel": item["channel"], "ts": item["ts"]}
    return InboxItem(NAME, CHECK_MARK, payload, f"{NAME}:{body['event_id']}")


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody opened App Home (``tab`` is ``home``) or their direct conversation with us (``messages``)."""

    user: str
    channel: str
    tab: str
    greeting: InboxItem


def opened(body: Mapping[str, Any]) -> Opened | None:
    """Return what was opened, or ``None`` where people of another company read along.

    The greeting's key is the conversation, so that it is said once and not at each opening.
    """
    event = body["event"]
    if body.get("is_ext_shared_channel"):
        return None
    user, channel = event["user"], event["channel"]
    payload = {"user": user, "channel": channel, "thread": None}
    greeting = InboxItem(NAME, GREETING, payload, f"{NAME}:greeting:{body.get('team_id', '')}:{channel}")
    return Opened(user, channel, event.get("tab", ""), greeting)


def thread_started(body: Mapping[str, Any]) -> InboxItem:
    """Return the greeting of a thread that Slack opened for somebody, in an app with ``assistant_view``."""
    thread = body["event"]["assistant_thread"]
    payload = {"user": thread["user_id"], "channel": thread["channel_id"], "thread": thread["thread_ts"]}
    return InboxItem(NAME, GREETING, payload, f"{NAME}:{body['event_id']}")


def _files(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return of a message's files what is needed to fetch them later.

    An ``app_mention`` may come without ``files``, with nothing but their ids in its rich text.
    """
    files = event.get("files")
    if files is None:
        return [{"id": found, "file_access": CHECK_FILE} for found in _file_ids(event.get("blocks", ()))]
    return [{key: file[key] for key in FILE_FIELDS if key in file} for file in files]


def _shared(event: Mapping[str, Any], team: str) -> list[dict[str, str]]:
    """Return the messages that were forwarded with a message: the text of each, its author as ``user``, and its key."""
    attached = [each for each in event.get("attachments") or () if each.get("is_share") or each.get("is_msg_unfurl")]
    texts = (str(each.get("text") or _text(each.get("message_blocks") or ()) or "") for each in attached)
    told = ({"user": str(each.get("author_id") or ""), "key": _shared_key(each, team)} for each in attached)
    return [{"text": text, **about} for text, about in zip(texts, told, strict=True) if text.strip()]


def _shared_key(attached: Mapping[str, Any], team: str) -> str:
    channel, ts = attached.get("channel_id"), attached.get("ts")
    return message_key(team, str(channel), str(ts)) if channel and ts else ""


def _text(node: Any) -> str:
    """Return the text of rich text, which messages forwarded from elsewhere may have instead of ``text``."""
    if isinstance(node, list | tuple):
        return "".join(map(_text, node))
    if not isinstance(node, dict):
        return ""
    own = node.get("text", "")
    inner = "".join(_text(node.get(key, ())) for key in ("message", "blocks", "elements"))
    return f"{own if isinstance(own, str) else _text(own)}{inner}"


def _file_ids(node: Any) -> Iterator[str]:
    """Yield the ids of files in rich text."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _file_ids(each)
    elif isinstance(node, dict):
        if node.get("type") == "file" and node.get("file_id"):
            yield str(node["file_id"])
        yield from _file_ids(node.get("elements", ()))


def _with_guests(body: Mapping[str, Any]) -> bool:
    """Return whether whoever has another workspace is of another company: not within an Enterprise organization."""
    return bool(body.get("is_ext_shared_channel")) and not (body.get("authorizations") or [{}])[0].get("enterprise_id")


def _guest(body: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether people of other companies may write there, and the author's own workspace if it is another."""
    if not _with_guests(body):
        return {}
    own = str(event.get("user_team") or event.get("team") or "")
    return {"guests": True, **({"user_team": own} if own not in ("", body.get("team_id")) else {})}


def _me(body: Mapping[str, Any]) -> str:
    """Return our own user id: Slack says with each event for whom it is."""
    authorizations = body.get("authorizations") or [{}]
    return str(authorizations[0].get("user_id") or "")
