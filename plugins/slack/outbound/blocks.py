"""What Mentee says, as Slack messages in Block Kit, each within Slack's limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plugins.slack.block_kit import Block, actions, button, confirmation, context, plain, section, words
from plugins.slack.copy import actions as actions_copy
from plugins.slack.copy import answers as copy
from plugins.slack.copy import escalations as escalations_copy
from plugins.slack.copy import feedback as feedback_copy
from plugins.slack.copy import notifications as notifications_copy
from plugins.slack.copy.formats import escaped, shortened
from plugins.slack.items import ANSWER, NAME
from plugins.slack.outbound.markdown import safe, split
from plugins.slack.workspaces.current import user_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bot.domain.deliveries import OutboxItem
    from bot.feedback.escalations import Escalation

BLOCK_CHARACTERS = 3_000
MESSAGE_CHARACTERS = 9_000
"""Answer text in one message; with the sources it stays below 13,200, where Slack begins to refuse."""
PLAIN_CHARACTERS = 35_000
"""Slack cuts texts above 40,000 characters."""
BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
SOURCES = 9
OUTCOMES = 3
"""Results of actions that are shown, the latest."""
OFFER_CHARACTERS, BUTTON_CHARACTERS = 5_000, 2_400
"""What an answer's actions may take of its message: all of them, and of that the buttons with their questions."""
SUGGESTION_CHARACTERS = 1_500
"""What is shown of a colleague's answer to a similar question."""
NOTHING = "…"
"""Stands for a text of which nothing may be shown, such as a lone image."""
PREVIEW_CHARACTERS = 300
QUESTION_CHARACTERS, ANSWER_CHARACTERS, REPLY_CHARACTERS = 2_000, 2_000, 6_000
EVENT_TYPE = "mentee_answer"

VOTE_ACTION, WHY_ACTION = "mentee_vote", "mentee_why"
ASK_ACTION, WRITE_ACTION, CLOSE_ACTION = "mentee_ask_person", "mentee_write_answer", "mentee_close_escalation"
SHARE_ACTION, DISCARD_ACTION, ANSWER_PRIVATELY_ACTION = "mentee_share", "mentee_discard", "mentee_alone"
STOP_ACTION = "mentee_stop_notifications"
CONFIRM_ACTIONS = re.compile(r"mentee_confirm_\d+")
ELSEWHERE_ACTIONS = re.compile(r"mentee_elsewhere_\d+")
"""The buttons of a plugin's actions, and of other departments: in one block, each needs an id of its own."""


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

    def without_blocks(self) -> SlackMessage:
        """Return the message for a workspace that refuses its blocks."""
        return replace(self, text=self.plain[:PLAIN_CHARACTERS], blocks=())


@dataclass(frozen=True, slots=True)
class EscalationNote:
    """What one reader, or everybody in one channel, sees of an escalation.

    :param title: the first line, in Slack's own markup.
    :param shows_answer: whether they may read every page that the answer names.
    :param link: to the thread, where there is one they can open.
    """

    escalation: Escalation
    title: str
    shows_answer: bool
    link: str | None


def render(item: OutboxItem) -> list[SlackMessage]:
    """Return the messages of a delivery, in order; sources and thumbs come with the last."""
    payload = item.payload
    if "blocks" in payload:  # made by outbound/notifications.py, which knows the readers
        return [SlackMessage(payload["text"], _words_of(payload["blocks"]), payload["blocks"], metadata(item, 0))]
    most = MESSAGE_CHARACTERS - (OFFER_CHARACTERS if payload.get("actions") else 0)
    most -= SUGGESTION_CHARACTERS if payload.get("suggestion") else 0
    bodies = split(safe(payload["text"]), most) or [NOTHING]
    room = most - len(bodies[-1]) + (OFFER_CHARACTERS if payload.get("actions") else 0) - BUTTON_CHARACTERS
    below = _below(payload, room) if item.kind == ANSWER else []
    messages = []
    for part, body in enumerate(bodies):
        under = below if part == len(bodies) - 1 else []
        blocks = [*markdown_blocks(body), *under]
        messages.append(SlackMessage(preview(body), escaped(body), blocks, metadata(item, part), body, under))
    return messages


def markdown_blocks(text: str) -> list[Block]:
    """Return a Markdown text of one message as blocks."""
    return [{"type": "markdown", "text": piece} for piece in split(text, BLOCK_CHARACTERS)]


def metadata(item: OutboxItem, part: int) -> dict[str, Any]:
    """Return what a message is found again by."""
    return {"event_type": EVENT_TYPE, "event_payload": {"outbox_id": item.id, "part": part}}


def preview(text: str) -> str:
    """Return what notifications say of a text."""
    return escaped(shortened(text, PREVIEW_CHARACTERS))


def why_blocks(answer_id: str, thread: str | None) -> list[Block]:
    """Return what asks for a reason where no modal can open by itself."""
    why = button(WHY_ACTION, feedback_copy.why_button(), f"{answer_id}:{thread or ''}")
    return [section(feedback_copy.ask_why()), actions([why])]


def note_blocks(note: EscalationNote) -> list[Block]:
    """Return a note or a reminder: who asks what, what Mentee had said, how to resolve it."""
    escalation = note.escalation
    blocks = [section(note.title), words(escalation.question, QUESTION_CHARACTERS)]
    if note.shows_answer:
        blocks += [context([escalations_copy.answered_before()]), words(escalation.answer, ANSWER_CHARACTERS)]
        lines = _source_lines(escalation.citations)
        blocks += [context(lines)] if lines else []
    else:
        blocks.append(context([escalations_copy.answer_hidden()]))
    close = button(CLOSE_ACTION, escalations_copy.close_button(), escalation.id)
    return [
        *blocks,
        context([escalations_copy.how_to_reply(note.link)]),
        actions([write_button(escalation.id), close]),
    ]


def end_blocks(escalation: Escalation, who: str) -> list[Block]:
    """Return what is said below a note when it is resolved; a reply is offered as a correction."""
    assert escalation.outcome
    block = section(escalations_copy.ended(who, escalation.outcome))
    if escalation.outcome != "replied" or not escalation.reply:
        return [block]
    return [{**block, "accessory": button(WRITE_ACTION, escalations_copy.save_button(), escalation.id)}]


def reply_blocks(escalation: Escalation, who: str, link: str | None) -> list[Block]:
    """Return what the asker reads when their question is resolved."""
    assert escalation.outcome
    title = escalations_copy.reply_title(who, escalation.outcome)
    blocks = [section(title), words(escalation.question, QUESTION_CHARACTERS)]
    if escalation.reply:
        blocks.append({"type": "markdown", "text": shortened(safe(escalation.reply), REPLY_CHARACTERS)})
    return [*blocks, context([f"<{link}|{escalations_copy.thread_link()}>"])] if link else blocks


def notification_blocks(text: str) -> list[Block]:
    """Return what became of somebody's feedback, with the button that ends such messages."""
    return [section(text), actions([button(STOP_ACTION, notifications_copy.stop_button(), "stop")])]


def write_button(escalation_id: str) -> Block:
    """Return the button that opens the modal in which an agent writes the answer."""
    return button(WRITE_ACTION, escalations_copy.write_button(), escalation_id)


def named(person_id: str) -> str:
    """Return a mention of somebody in Slack, or the name under which they are known elsewhere."""
    channel, _, name = person_id.partition(":")
    return f"<@{user_of(person_id)}>" if channel == NAME else escaped(name)


def _below(payload: Mapping[str, Any], room: int) -> list[Block]:
    """Return what stands under an answer: who wrote it, where it comes from, its actions, the thumbs.

    :param room: characters that the results of actions may have.
    """
    source = payload["source"]
    if source == "courtesy":
        return []
    blocks: list[Block] = []
    if source == "curated":
        blocks.append(context([copy.curated()]))
    elif source == "passage":
        blocks.append(context([copy.weak_match()]))
    lines = _source_lines(payload["citations"])
    if lines:
        blocks.append(context([copy.sources() if payload["known"] else copy.nearest_pages(), *lines]))
    elif source == "model":
        blocks.append(context([copy.no_sources()]))
    blocks += _similar(payload.get("suggestion"))
    blocks += _offers(payload.get("actions", ()), room)
    blocks += _elsewhere(payload)
    return [*blocks, _thumbs(payload["answer_id"]), _ask_a_person(payload["answer_id"], known=payload["known"])]


def _similar(suggestion: Mapping[str, Any] | None) -> list[Block]:
    """Return a colleague's answer to a similar question."""
    if not suggestion:
        return []
    text = shortened(safe(suggestion["text"]), SUGGESTION_CHARACTERS)
    return [context([copy.similar(suggestion["question"])]), {"type": "markdown", "text": text}]


def _source_lines(citations: Iterable[Mapping[str, Any]]) -> list[str]:
    cited = [*citations][:SOURCES]
    return [copy.source_line(each["n"], each["heading"], each["document"], each.get("address", "")) for each in cited]


def _offers(offers: Sequence[Mapping[str, Any]], room: int) -> list[Block]:
    """Return what came of an answer's actions, and the buttons of those that can still be confirmed."""
    told = [each for each in offers if each["state"] in actions_copy.EMOJI][-OUTCOMES:]
    limit = room // max(len(told), 1)
    blocks = [section(actions_copy.outcome(each["state"], each["label"], each["result"], limit)) for each in told]
    under_way = any(each["state"] == "running" for each in offers)
    open_offers = [each for each in offers if each["state"] == "offered" and not under_way]
    buttons = [_offer_button(number, each) for number, each in enumerate(open_offers)]
    return [*blocks, actions(buttons)] if buttons else blocks


def _elsewhere(payload: Mapping[str, Any]) -> list[Block]:
    """Return the buttons of departments whose documents seem to have the answer."""
    buttons = [
        button(
            f"mentee_elsewhere_{number}", copy.ask_in(each["title"]), f"{payload['question_id']}:{each['department']}"
        )
        for number, each in enumerate(payload.get("elsewhere", ()))
    ]
    return [actions(buttons)] if buttons else []


def _offer_button(number: int, offer: Mapping[str, Any]) -> Block:
    made = button(f"mentee_confirm_{number}", offer["label"], offer["id"])
    if offer["style"] != "default":
        made["style"] = offer["style"]
    if offer["confirm"]:
        yes, no = actions_copy.confirm_yes(), actions_copy.confirm_no()
        made["confirm"] = confirmation(offer["label"], offer["confirm"], yes, no)
    return made


def _thumbs(answer_id: str) -> Block:
    buttons = {
        f"{name}_button": {"text": plain(label), "accessibility_label": label, "value": f"{side}:{answer_id}"}
        for name, side, label in (("positive", "up", copy.thumbs_up()), ("negative", "down", copy.thumbs_down()))
    }
    return {
        "type": "context_actions",
        "elements": [{"type": "feedback_buttons", "action_id": VOTE_ACTION, **buttons}],
    }


def _ask_a_person(answer_id: str, *, known: bool) -> Block:
    """Return what offers a person under an answer; where nothing was found, in so many words."""
    confirm = confirmation(
        escalations_copy.ask_confirm_title(),
        escalations_copy.ask_confirm(),
        escalations_copy.ask_confirm_yes(),
        escalations_copy.ask_confirm_no(),
    )
    ask = {**button(ASK_ACTION, escalations_copy.ask_button(), answer_id), "confirm": confirm}
    if known:
        return actions([ask])
    return {**section(escalations_copy.ask_offer()), "accessory": {**ask, "style": "primary"}}


def _words_of(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return what blocks say, for a workspace that refuses them."""
    texts = [block["text"] for block in blocks if "text" in block]
    return "\n".join(
        escaped(text) if isinstance(text, str) else text["text"] if text["type"] == "mrkdwn" else escaped(text["text"])
        for text in texts
    )
