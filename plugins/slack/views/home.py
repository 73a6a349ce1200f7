"""App Home, and the blocks it shares with ``/mentee``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.feedback.reasons import REASONS
from plugins.slack.block_kit import Block, button, context, header, section
from plugins.slack.client.web_api import call
from plugins.slack.copy import escalations as escalations_copy
from plugins.slack.copy import feedback as feedback_copy
from plugins.slack.copy import views as copy
from plugins.slack.copy.formats import shortened
from plugins.slack.outbound.blocks import named, write_button
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.feedback.escalations import Escalation
    from bot.feedback.reviews import AwaitingCorrection
    from bot.storage.session import Store
    from plugins.slack.overview.departments import AskableDepartment
    from plugins.slack.overview.health import Health
    from plugins.slack.overview.home import HomeContent, HomeReader, RecentQuestion

DEPARTMENTS = 20
QUEUE = 10
QUESTION_CHARACTERS = 200
CORRECT_ACTION = "mentee_correct"


class HomeTab:
    """Draws App Home.

    :param client: gives the Web API client of the moment.
    """

    def __init__(
        self, store: Store, departments: Departments, reader: HomeReader, client: Callable[[], AsyncWebClient]
    ) -> None:
        self._store = store
        self._departments = departments
        self._reader = reader
        self._client = client

    async def publish(self, user: str) -> None:
        """Draw App Home for one person.

        :raises MenteeError: Slack does not take it (:func:`plugins.slack.client.web_api.call`).
        """
        content = await self._store.run(self._content, user)
        client = self._client()
        await call(client.views_publish, "views.publish", user_id=user, view=home_view(content))

    def _content(self, user: str) -> HomeContent:
        return self._reader.read(self._departments.person(person_id(user)))


def home_view(content: HomeContent) -> dict[str, Any]:
    """Return the Home tab of one person."""
    blocks = [
        section(copy.can_do()),
        header(copy.departments_title()),
        *department_blocks(content.departments),
        header(copy.recent_title()),
        *recent_blocks(content.recent),
    ]
    if content.escalations is not None:
        blocks += [header(escalations_copy.waiting_title()), *_escalation_blocks(content.escalations, content)]
    if content.queue is not None:
        blocks += [header(copy.queue_title()), *_queue_blocks(content.queue, content)]
    if content.health is not None:
        blocks += [header(copy.health_title()), health_block(content.health)]
    return {"type": "home", "blocks": blocks}


def department_blocks(departments: Sequence[AskableDepartment]) -> list[Block]:
    """Return the departments that the person may ask, with what they know."""
    if not departments:
        return [section(copy.no_departments())]
    lines = [copy.department_line(each.title, each.documents, each.updated) for each in departments[:DEPARTMENTS]]
    return [section(line) for line in lines] + _left_out(len(departments) - DEPARTMENTS)


def recent_blocks(recent: Sequence[RecentQuestion]) -> list[Block]:
    """Return the person's own last questions."""
    if not recent:
        return [section(copy.nothing_asked())]
    blocks: list[Block] = []
    for each in recent:
        below = copy.asked_line(each.at, each.department, known=each.known)
        blocks += [question_block(each.text), context([below])]
    return blocks


def health_block(health: Health) -> Block:
    """Return the state of the instance."""
    return section(copy.health_lines(health))


def question_block(text: str) -> Block:
    """Return a question as it is: plain text knows no mention, no link, no emoji and no markup."""
    shown = shortened(" ".join(text.split()), QUESTION_CHARACTERS) or "…"
    return {"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _queue_blocks(queue: Sequence[AwaitingCorrection], content: HomeContent) -> list[Block]:
    if not queue:
        return [section(copy.queue_empty())]
    blocks = [section(copy.queue_count(len(queue)))]
    for each in queue[:QUEUE]:
        reasons = [REASONS.get(reason, reason) for reason in each.reasons]
        below = copy.waiting_line(content.title(each.department), each.downs, reasons, proposed=each.proposed)
        correct = button(CORRECT_ACTION, feedback_copy.correct_button(), each.answer_id)
        blocks += [{**question_block(each.question), "accessory": correct}, context([below])]
    return blocks + _left_out(len(queue) - QUEUE)


def _escalation_blocks(escalations: Sequence[Escalation], content: HomeContent) -> list[Block]:
    if not escalations:
        return [section(escalations_copy.nobody_waits())]
    blocks: list[Block] = []
    for each in escalations[:QUEUE]:
        asker, department = named(each.opened_by), content.title(each.department)
        below = escalations_copy.waiting_line(department, asker, each.opened_at)
        blocks += [{**question_block(each.question), "accessory": write_button(each.id)}, context([below])]
    return blocks + _left_out(len(escalations) - QUEUE)


def _left_out(number: int) -> list[Block]:
    return [context([copy.more(number)])] if number > 0 else []
