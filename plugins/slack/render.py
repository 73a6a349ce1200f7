"""What Mentee says, as Slack messages in Block Kit, each within Slack's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.slack import texts
from plugins.slack.markdown import safe, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.messages import OutboxItem

BLOCK_CHARACTERS = 3_000
MESSAGE_CHARACTERS = 9_000
"""Answer text in one message; with the sources it stays below 13,200, where Slack begins to refuse."""
SOURCES = 9
PREVIEW_CHARACTERS = 300
EVENT_TYPE = "mentee_answer"
VOTE_ACTION = "mentee_vote"


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """One ``chat.postMessage``: blocks for the eye, ``text`` for notifications, metadata to find it again.

    :param plain: the whole text without blocks, for a workspace that refuses them.
    """

    text: str
    plain: str
    blocks: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, Any]


def render(item: OutboxItem) -> list[SlackMessage]:
    """Return the messages of a delivery, in order; sources and thumbs come with the last."""
    payload = item.payload
    bodies = _bodies(safe(payload["text"]))
    below = _below(payload) if item.kind == "answer" else []
    messages = []
    for part, body in enumerate(bodies):
        last = part == len(bodies) - 1
        blocks = [{"type": "markdown", "text": piece} for piece in body]
        plain = texts.escaped("\n".join(body))
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"outbox_id": item.id, "part": part}}
        messages.append(SlackMessage(_preview(body[0]), plain, [*blocks, *(below if last else [])], metadata))
    return messages


def vote_value(side: str, answer_id: str) -> str:
    """Return the value of a thumb."""
    return f"{side}:{answer_id}"


def _bodies(text: str) -> list[list[str]]:
    """Pack the text's pieces into messages."""
    bodies: list[list[str]] = []
    for piece in split(text, BLOCK_CHARACTERS):
        if bodies and sum(map(len, bodies[-1])) + len(piece) <= MESSAGE_CHARACTERS:
            bodies[-1].append(piece)
        else:
            bodies.append([piece])
    return bodies


def _below(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what stands under an answer: who wrote it, where it comes from, the thumbs."""
    blocks: list[dict[str, Any]] = []
    if payload["source"] == "curated":
        blocks.append(_context([texts.curated()]))
    citations = payload["citations"][:SOURCES]
    if citations:
        lines = [texts.source_line(citation["n"], citation["heading"], citation["document"]) for citation in citations]
        blocks.append(_context([texts.sources() if payload["known"] else texts.nearest_pages(), *lines]))
    blocks.append(_thumbs(payload["answer_id"]))
    return blocks


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


def _preview(text: str) -> str:
    return texts.escaped(texts.shortened(text, PREVIEW_CHARACTERS))
