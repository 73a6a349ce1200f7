"""The slash command: ``/mentee help``, ``ask``, ``department``, ``status``, ``channel``, answered to its one person.

A question goes through the inbox like any other and its answer comes by the command's ``response_url``; everything else
is read from the database and answered with the acknowledgement, for which Slack waits three seconds.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bot.messages import Role
from plugins.slack.conversations.questions import readable
from plugins.slack.events import command
from plugins.slack.surfaces import home
from plugins.slack.surfaces.overview import Overview
from plugins.slack.surfaces.suggestions import Suggestions
from plugins.slack.texts import channels as channels_texts
from plugins.slack.texts import news as news_texts
from plugins.slack.texts import surfaces as texts
from plugins.slack.texts.formats import shortened
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.app import Mentee
    from bot.messages import InboxItem, Person
    from plugins.slack.conversations.form import ChannelForm
    from plugins.slack.surfaces.errands import Errands
    from plugins.slack.surfaces.home import Block
    from plugins.slack.surfaces.overview import Known

T = TypeVar("T")

READ_SECONDS = 2.0
"""Of the three seconds that Slack waits for the acknowledgement."""


class Slash:
    """Answers the slash command.

    :param accept: commits an inbox item.
    :param form: the settings of a channel.
    """

    def __init__(
        self, mentee: Mentee, accept: Callable[[InboxItem], Awaitable[bool]], form: ChannelForm, errands: Errands
    ) -> None:
        self._mentee = mentee
        self._accept = accept
        self._form = form
        self._errands = errands
        self._overview = Overview(mentee)
        self._suggestions = Suggestions(mentee.store)

    async def answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message that acknowledges the command, shown to the one who typed it.

        What keeps a question from being committed is raised: Slack tells the person that the command failed.
        """
        try:
            blocks = await self._blocks(body)
        except TimeoutError:
            blocks = [home.section(texts.busy())]
        shown = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        text = shortened("\n".join(shown), home.SECTION_CHARACTERS)
        return {"response_type": "ephemeral", "text": text, "blocks": blocks}

    async def _blocks(self, body: Mapping[str, Any]) -> list[Block]:
        word, _, rest = str(body.get("text", "")).strip().partition(" ")
        user, rest = str(body["user_id"]), rest.strip()
        match word.lower():
            case "ask":
                return [home.section(await self._ask(rest, body))]
            case "department" | "departments":
                return await self._read(self._department, user, rest)
            case "news":
                return await self._read(self._news, user, rest)
            case "status":
                return await self._read(self._status, user)
            case "channel":
                return [home.section(await self._channel(body))]
            case _:
                return [home.section(texts.command_help(str(body["command"])))]

    async def _ask(self, text: str, body: Mapping[str, Any]) -> str:
        """Commit a question and return what is said meanwhile."""
        question = readable(text, "")
        if not question:
            return texts.ask_what(str(body["command"]))
        full, name = await self._read(self._before_asking, str(body["user_id"]), question)
        if full:
            return texts.busy()
        await self._accept(command(body, text.partition(":")[2].strip() if name else text, name))
        return texts.asked()

    async def _channel(self, body: Mapping[str, Any]) -> str:
        """Let an operator set the channel's manners, and return what is said meanwhile."""
        channel = str(body["channel_id"])
        refusal = await self._read(self._form.refusal, str(body["user_id"]), channel)
        if not refusal:
            self._errands.run("channel settings", partial(self._form.open, body["trigger_id"], channel))
        return refusal or channels_texts.form_opens()

    async def _read(self, work: Callable[..., T], *args: Any) -> T:
        async with asyncio.timeout(READ_SECONDS):
            return await self._mentee.store.run(work, *args)

    def _before_asking(self, user: str, question: str) -> tuple[bool, str | None]:
        """Return whether the inbox is full, and the department that the question begins with."""
        full = self._mentee.inbox.depth() >= self._mentee.settings.limits.queue
        name, colon, rest = question.partition(":")
        named = _find(self._departments(self._person(user)), name) if colon and rest.strip() else None
        return full, named.name if named else None

    def _department(self, user: str, name: str) -> list[Block]:
        departments = self._departments(self._person(user))
        if not name:
            return home.department_blocks(departments)
        found = _find(departments, name)
        if found is None:
            return [home.section(texts.no_such_department(name)), *home.department_blocks(departments)]
        questions = self._suggestions.of([found])
        shown = [home.section(texts.examples_title()), *map(home.words, questions)] if questions else []
        return [*home.department_blocks([found]), *shown]

    def _news(self, user: str, wish: str) -> list[Block]:
        """Let the person hear of their feedback, or not; without a wish, change nothing."""
        if wish.lower() not in ("on", "off"):
            return [home.section(news_texts.switch_how())]
        on = wish.lower() == "on"
        self._mentee.news.switch(person_id(user), on=on)
        return [home.section(news_texts.switched(on=on))]

    def _status(self, user: str) -> list[Block]:
        person = self._person(user)
        departments = self._departments(person)
        health = self._overview.health(person, departments)
        agent = person.role.includes(Role.AGENT)
        state = home.health_block(health) if agent else home.section(texts.working(health.waiting))
        return [state, *home.recent_blocks(self._overview.recent(person, departments))]

    def _departments(self, person: Person) -> Sequence[Known]:
        return self._overview.departments(self._mentee.departments.audience_of(person))

    def _person(self, user: str) -> Person:
        return self._mentee.departments.person(person_id(user))


def _find(departments: Sequence[Known], name: str) -> Known | None:
    """Return the department of that name or title."""
    wanted = name.strip().casefold()
    return next((each for each in departments if wanted in (each.name, each.title.casefold())), None)
