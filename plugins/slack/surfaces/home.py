"""App Home and the blocks it shares with ``/mentee``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.reasons import REASONS
from plugins.slack.escalations.blocks import named, write_button
from plugins.slack.texts import escalations as escalation_texts
from plugins.slack.texts import surfaces as texts
from plugins.slack.texts import votes as votes_texts
from plugins.slack.texts.formats import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugins.slack.surfaces.overview import Asked, Glance, Handed, Health, Known, Waiting

DEPARTMENTS = 20
QUEUE = 10
QUESTION_CHARACTERS = 200
CORRECT_ACTION = "mentee_correct"
SECTION_CHARACTERS = 3_000

Block = dict[str, Any]


def home_view(glance: Glance) -> dict[str, Any]:
    """Return the Home tab of one person."""
    blocks = [
        section(texts.can_do()),
        _header(texts.departments_title()),
        *department_blocks(glance.departments),
        _header(texts.recent_title()),
        *recent_blocks(glance.recent),
    ]
    if glance.handed is not None:
        blocks += [_header(escalation_texts.waiting_title()), *_handed_blocks(glance.handed)]
    if glance.queue is not None:
        blocks += [_header(texts.queue_title()), *_queue_blocks(glance.queue)]
    if glance.health is not None:
        blocks += [_header(texts.health_title()), health_block(glance.health)]
    return {"type": "home", "blocks": blocks}


def department_blocks(departments: Sequence[Known]) -> list[Block]:
    """Return the departments that the person may ask, with what they know."""
    if not departments:
        return [section(texts.no_departments())]
    lines = [texts.department_line(each.title, each.documents, each.updated) for each in departments[:DEPARTMENTS]]
    return [section(line) for line in lines] + _left_out(len(departments) - DEPARTMENTS)


def recent_blocks(recent: Sequence[Asked]) -> list[Block]:
    """Return the person's own last questions."""
    if not recent:
        return [section(texts.nothing_asked())]
    blocks: list[Block] = []
    for each in recent:
        below = texts.asked_line(each.at, each.department, known=each.known)
        blocks += [words(each.text), _context(below)]
    return blocks


def health_block(health: Health) -> Block:
    """Return the state of the instance."""
    return section(texts.health_lines(health))


def section(text: str) -> Block:
    """Return a paragraph in Slack's own markup; what people wrote in it is escaped already."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": shortened(text, SECTION_CHARACTERS)}}


def _queue_blocks(queue: Sequence[Waiting]) -> list[Block]:
    if not queue:
        return [section(texts.queue_empty())]
    blocks = [section(texts.queue_count(len(queue)))]
    for each in queue[:QUEUE]:
        reasons = [REASONS.get(reason, reason) for reason in each.reasons]
        below = texts.waiting_line(each.department, each.downs, reasons, proposed=each.proposed)
        blocks += [{**words(each.question), "accessory": _correct_button(each.answer_id)}, _context(below)]
    return blocks + _left_out(len(queue) - QUEUE)


def _handed_blocks(handed: Sequence[Handed]) -> list[Block]:
    if not handed:
        return [section(escalation_texts.nobody_waits())]
    blocks: list[Block] = []
    for each in handed[:QUEUE]:
        escalation = each.escalation
        below = escalation_texts.waiting_line(each.department, named(escalation.opened_by), escalation.opened_at)
        blocks += [{**words(escalation.question), "accessory": write_button(escalation.id)}, _context(below)]
    return blocks + _left_out(len(handed) - QUEUE)


def _correct_button(answer_id: str) -> dict[str, Any]:
    text = {"type": "plain_text", "text": votes_texts.correct_button()}
    return {"type": "button", "action_id": CORRECT_ACTION, "text": text, "value": answer_id}


def _left_out(number: int) -> list[Block]:
    return [_context(texts.more(number))] if number > 0 else []


def words(text: str) -> Block:
    """Return what somebody wrote, shown as it is: plain text knows no mention, no link and no markup."""
    shown = shortened(" ".join(text.split()), QUESTION_CHARACTERS) or "…"
    return {"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}
