"""The slash command: ``/mentee help``, ``ask``, ``department``, ``status``, ``channel``, answered to its one person.

A question goes through the inbox like any other and its answer comes by the command's ``response_url``; everything else
is read from the database and answered with the acknowledgement, for which Slack waits three seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bot.domain.people import Role
from plugins.slack.block_kit import SECTION_CHARACTERS, Block, section
from plugins.slack.copy import channels as channels_copy
from plugins.slack.copy import notifications as notifications_copy
from plugins.slack.copy import views as copy
from plugins.slack.copy.formats import readable, shortened
from plugins.slack.views import home
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.access.departments import Departments
    from bot.delivery.inbox import Inbox
    from bot.domain.people import Person
    from bot.feedback.notifications import Notifications
    from bot.storage.session import Store
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.overview.departments import AskableDepartment, AskableDepartments
    from plugins.slack.overview.health import HealthReport
    from plugins.slack.overview.home import HomeReader
    from plugins.slack.overview.suggestions import Suggestions
    from plugins.slack.views.channel_settings import ChannelSettingsForm

T = TypeVar("T")
Ask = Callable[["Mapping[str, Any]", str, "str | None"], Awaitable[object]]
"""Commits the question of a command: what Slack sent, the text, and the department that it names."""

READ_SECONDS = 2.0
"""Of the three seconds that Slack waits for the acknowledgement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """Answers the slash command.

    :param most_waiting: questions that may wait; beyond that nobody can ask.
    """

    store: Store
    inbox: Inbox
    most_waiting: int
    departments: Departments
    notifications: Notifications
    askable: AskableDepartments
    suggestions: Suggestions
    home: HomeReader
    health: HealthReport
    channel_form: ChannelSettingsForm
    background: BackgroundTasks

    async def answer(self, body: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return the message that acknowledges the command, shown to the one who typed it.

        What keeps a question from being committed is raised: Slack tells the person that the command failed.
        """
        try:
            blocks = await self._blocks(body, ask)
        except TimeoutError:
            blocks = [section(copy.busy())]
        shown = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        return {
            "response_type": "ephemeral",
            "text": shortened("\n".join(shown), SECTION_CHARACTERS),
            "blocks": blocks,
        }

    async def _blocks(self, body: Mapping[str, Any], ask: Ask) -> list[Block]:
        word, _, rest = str(body.get("text", "")).strip().partition(" ")
        user, rest = str(body["user_id"]), rest.strip()
        match word.lower():
            case "ask":
                return [section(await self._ask(rest, body, ask))]
            case "department" | "departments":
                return await self._read(self._department, user, rest)
            case "news":
                return await self._read(self._news, user, rest)
            case "status":
                return await self._read(self._status, user)
            case "channel":
                return [section(await self._channel(body))]
            case _:
                return [section(copy.command_help(str(body["command"])))]

    async def _ask(self, text: str, body: Mapping[str, Any], ask: Ask) -> str:
        """Commit a question and return what is said meanwhile."""
        question = readable(text, "")
        if not question:
            return copy.ask_what(str(body["command"]))
        full, name = await self._read(self._before_asking, str(body["user_id"]), question)
        if full:
            return copy.busy()
        await ask(body, text.partition(":")[2].strip() if name else text, name)
        return copy.asked()

    async def _channel(self, body: Mapping[str, Any]) -> str:
        """Let an operator set how Mentee behaves in the channel, and return what is said meanwhile."""
        channel = str(body["channel_id"])
        refusal = await self._read(self.channel_form.refusal, str(body["user_id"]), channel)
        if not refusal:
            self.background.run("channel settings", partial(self.channel_form.open, body["trigger_id"], channel))
        return refusal or channels_copy.form_opens()

    async def _read(self, work: Callable[..., T], *args: Any) -> T:
        async with asyncio.timeout(READ_SECONDS):
            return await self.store.run(work, *args)

    def _before_asking(self, user: str, question: str) -> tuple[bool, str | None]:
        """Return whether the inbox is full, and the department that the question begins with."""
        full = self.inbox.depth() >= self.most_waiting
        name, colon, rest = question.partition(":")
        asked = colon and rest.strip()
        named = _find(self.askable.of_person(self._person(user)), name) if asked else None
        return full, named.name if named else None

    def _department(self, user: str, name: str) -> list[Block]:
        departments = self.askable.of_person(self._person(user))
        if not name:
            return home.department_blocks(departments)
        found = _find(departments, name)
        if found is None:
            return [section(copy.no_such_department(name)), *home.department_blocks(departments)]
        questions = self.suggestions.of([found])
        shown = [section(copy.examples_title()), *map(home.question_block, questions)] if questions else []
        return [*home.department_blocks([found]), *shown]

    def _news(self, user: str, wish: str) -> list[Block]:
        """Switch a person's notifications on or off; without a wish, change nothing."""
        if wish.lower() not in ("on", "off"):
            return [section(notifications_copy.switch_how())]
        on = wish.lower() == "on"
        self.notifications.switch(person_id(user), on=on)
        return [section(notifications_copy.switched(on=on))]

    def _status(self, user: str) -> list[Block]:
        person = self._person(user)
        departments = self.askable.of_person(person)
        health = self.health.read(person, departments)
        agent = person.is_anywhere(Role.AGENT)
        state = home.health_block(health) if agent else section(copy.working(health.waiting))
        return [state, *home.recent_blocks(self.home.recent(person, departments))]

    def _person(self, user: str) -> Person:
        return self.departments.person(person_id(user))


def _find(departments: Sequence[AskableDepartment], name: str) -> AskableDepartment | None:
    """Return the department of that name or title."""
    wanted = name.strip().casefold()
    return next((each for each in departments if wanted in (each.name, each.title.casefold())), None)
