"""What Mentee says, as Slack messages in Block Kit, each within Slack's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.slack.answers.markdown import safe, split
from plugins.slack.escalations.blocks import ask_blocks
from plugins.slack.texts import answers as texts
from plugins.slack.texts.formats import escaped, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.messages import OutboxItem

BLOCK_CHARACTERS = 3_000
MESSAGE_CHARACTERS = 9_000
"""Answer text in one message; with the sources it stays below 13,200, where Slack begins to refuse."""
SOURCES = 9
NOTHING = "…"
"""Stands for a text of which nothing may be shown, such as a lone image."""
PREVIEW_CHARACTERS = 300
EVENT_TYPE = "mentee_answer"
VOTE_ACTION = "mentee_vote"


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """One ``chat.postMessage``: blocks for the eye, ``text`` for notifications, metadata to find it again.

    :param plain: the whole text without blocks, for a workspace that refuses them.
    :param body: what the blocks say, in Markdown, without what stands ``below``: the two of a streamed message.
    """

    text: str
    plain: str
    blocks: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, Any]
    body: str = ""
    below: Sequence[Mapping[str, Any]] = ()


def render(item: OutboxItem) -> list[SlackMessage]:
    """Return the messages of a delivery, in order; sources and thumbs come with the last."""
    payload = item.payload
    if "blocks" in payload:  # made by whoever knows its readers (plugins/slack/escalations/letters.py)
        return [SlackMessage(payload["text"], _words_of(payload["blocks"]), payload["blocks"], metadata(item, 0))]
    bodies = split(safe(payload["text"]), MESSAGE_CHARACTERS) or [NOTHING]
    below = _below(payload) if item.kind == "answer" else []
    messages = []
    for part, body in enumerate(bodies):
        under = below if part == len(bodies) - 1 else []
        blocks = [*markdown_blocks(body), *under]
        messages.append(SlackMessage(preview(body), escaped(body), blocks, metadata(item, part), body, under))
    return messages


def markdown_blocks(text: str) -> list[dict[str, Any]]:
    """Return a Markdown text of one message as blocks."""
    return [{"type": "markdown", "text": piece} for piece in split(text, BLOCK_CHARACTERS)]


def metadata(item: OutboxItem, part: int) -> dict[str, Any]:
    """Return what a message is found again by."""
    return {"event_type": EVENT_TYPE, "event_payload": {"outbox_id": item.id, "part": part}}


def preview(text: str) -> str:
    """Return what notifications say of a text."""
    return escaped(shortened(text, PREVIEW_CHARACTERS))


def vote_value(side: str, answer_id: str) -> str:
    """Return the value of a thumb."""
    return f"{side}:{answer_id}"


def _below(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what stands under an answer: who wrote it, where it comes from, the thumbs."""
    blocks: list[dict[str, Any]] = []
    if payload["source"] == "curated":
        blocks.append(_context([texts.curated()]))
    citations = payload["citations"][:SOURCES]
    if citations:
        lines = [texts.source_line(citation["n"], citation["heading"], citation["document"]) for citation in citations]
        blocks.append(_context([texts.sources() if payload["known"] else texts.nearest_pages(), *lines]))
    elif payload["source"] == "model":
        blocks.append(_context([texts.no_sources()]))
    blocks.append(_thumbs(payload["answer_id"]))
    return [*blocks, *ask_blocks(payload["answer_id"], known=payload["known"])]


def _context(lines: Sequence[str]) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": line} for line in lines]}


def _thumbs(answer_id: str) -> dict[str, Any]:
    buttons = {
        f"{name}_button": {
            "text": {"type": "plain_text", "text": label},
            "accessibility_label": label,
            "value": vote_value(side, answer_id),
        }
        for name, side, label in (("positive", "up", texts.thumbs_up()), ("negative", "down", texts.thumbs_down()))
    }
    return {
        "type": "context_actions",
        "elements": [{"type": "feedback_buttons", "action_id": VOTE_ACTION, **buttons}],
    }


def _words_of(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return what blocks say, for a workspace that refuses them."""
    texts = [block["text"] for block in blocks if "text" in block]
    return "\n".join(
        escaped(text) if isinstance(text, str) else text["text"] if text["type"] == "mrkdwn" else escaped(text["text"])
        for text in texts
    )
