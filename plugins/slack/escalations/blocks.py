"""The blocks of an escalation: the button under an answer, the notes, and what the asker reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.slack.answers.markdown import safe
from plugins.slack.events import NAME
from plugins.slack.texts import answers as answers_texts
from plugins.slack.texts import escalations as texts
from plugins.slack.texts import news as news_texts
from plugins.slack.texts.formats import escaped, shortened
from plugins.slack.workspaces import user_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.escalations import Escalation

ASK_ACTION = "mentee_ask_person"
WRITE_ACTION = "mentee_write_answer"
CLOSE_ACTION = "mentee_close_escalation"
STOP_ACTION = "mentee_stop_news"
QUESTION_CHARACTERS, ANSWER_CHARACTERS, REPLY_CHARACTERS = 2_000, 2_000, 6_000
SOURCES = 9

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """What one reader, or everybody in one channel, sees of an escalation.

    :param title: the first line, in Slack's own markup.
    :param shows_answer: whether they may read every page that the answer names.
    :param link: to the thread, where there is one they can open.
    """

    escalation: Escalation
    title: str
    shows_answer: bool
    link: str | None


def ask_blocks(answer_id: str, *, known: bool) -> list[Block]:
    """Return what offers a person under an answer; where nothing was found, in so many words."""
    confirm = {
        "title": _plain(texts.ask_confirm_title()),
        "text": _plain(texts.ask_confirm()),
        "confirm": _plain(texts.ask_confirm_yes()),
        "deny": _plain(texts.ask_confirm_no()),
    }
    button = {**_button(ASK_ACTION, texts.ask_button(), answer_id), "confirm": confirm}
    if known:
        return [{"type": "actions", "elements": [button]}]
    return [{**_section(texts.ask_offer()), "accessory": {**button, "style": "primary"}}]


def note_blocks(note: Note) -> list[Block]:
    """Return a note or a reminder: who asks what, what Mentee had said, how to resolve it."""
    escalation = note.escalation
    blocks = [_section(note.title), _words(escalation.question, QUESTION_CHARACTERS)]
    if note.shows_answer:
        blocks += [_context(texts.answered_before()), _words(escalation.answer, ANSWER_CHARACTERS)]
        lines = [
            answers_texts.source_line(each["n"], each["heading"], each["document"])
            for each in escalation.citations[:SOURCES]
        ]
        blocks += [_context(*lines)] if lines else []
    else:
        blocks.append(_context(texts.answer_hidden()))
    buttons = [
        _button(WRITE_ACTION, texts.write_button(), escalation.id),
        _button(CLOSE_ACTION, texts.close_button(), escalation.id),
    ]
    return [*blocks, _context(texts.how_to_reply(note.link)), {"type": "actions", "elements": buttons}]


def end_blocks(escalation: Escalation, who: str) -> list[Block]:
    """Return what is said below a note when it is resolved; a reply is offered as a correction."""
    assert escalation.outcome
    block = _section(texts.ended(who, escalation.outcome))
    if escalation.outcome != "replied" or not escalation.reply:
        return [block]
    return [{**block, "accessory": _button(WRITE_ACTION, texts.save_button(), escalation.id)}]


def reply_blocks(escalation: Escalation, who: str, link: str | None) -> list[Block]:
    """Return what the asker reads when their question is resolved."""
    assert escalation.outcome
    title = texts.reply_title(who, escalation.outcome)
    blocks = [_section(title), _words(escalation.question, QUESTION_CHARACTERS)]
    if escalation.reply:
        blocks.append({"type": "markdown", "text": shortened(safe(escalation.reply), REPLY_CHARACTERS)})
    return [*blocks, _context(f"<{link}|{texts.thread_link()}>")] if link else blocks


def news_blocks(text: str) -> list[Block]:
    """Return news of somebody's feedback, with the button that ends them."""
    return [
        _section(text),
        {"type": "actions", "elements": [_button(STOP_ACTION, news_texts.stop_button(), "stop")]},
    ]


def write_button(escalation_id: str) -> Block:
    """Return the button that opens the modal in which an agent writes the answer."""
    return _button(WRITE_ACTION, texts.write_button(), escalation_id)


def named(person_id: str) -> str:
    """Return a mention of somebody in Slack, or the name under which they are known elsewhere."""
    channel, _, name = person_id.partition(":")
    return f"<@{user_of(person_id)}>" if channel == NAME else escaped(name)


def _button(action: str, label: str, value: str) -> Block:
    return {"type": "button", "action_id": action, "text": _plain(label), "value": value}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _words(text: str, most: int) -> Block:
    """Return what people or the model wrote, without any markup taking effect."""
    return {"type": "section", "text": {"type": "plain_text", "text": shortened(text.strip(), most) or "…"}}


def _context(*lines: str) -> Block:
    elements: Sequence[Block] = [{"type": "mrkdwn", "text": line} for line in lines]
    return {"type": "context", "elements": elements}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
