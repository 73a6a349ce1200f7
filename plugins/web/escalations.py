"""Questions handed to a person, as the page shows them to whoever asked: the offer, the wait, and the reply."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from bot.domain.errors import ConflictError
from bot.server.pages.markdown import render
from plugins.web.intake import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Departments
    from bot.domain.answers import Answer
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalation, Escalations
    from bot.hooks.host import PluginHost

DESK = "desk"
"""The plugin of the page for support agents, which can be switched off."""

STATES = {"": "waiting", "replied": "replied", "corrected": "replied", "closed": "closed"}
"""What the asker sees of each outcome. They aren't told whether others now get the same text."""


class WebEscalations:
    """Hands questions to people, and shows what became of them. Everything here is blocking."""

    def __init__(self, escalations: Escalations, departments: Departments, plugins: PluginHost) -> None:
        self._escalations = escalations
        self._departments = departments
        self._plugins = plugins

    def of_answers(self, person: Person, answers: Sequence[Answer], hidden: Sequence[bool]) -> list[dict[str, Any]]:
        """Return ``escalation`` and ``can_ask_person`` for each of a person's answers.

        :param hidden: whether the person may not see the answer any more, and so no reply to it either.
        """
        found = self._escalations.of_answers([each.id for each in answers])
        askable = self._departments.askable(self._departments.audience_of(person))
        at_desk = self._plugins.serves(DESK)

        @functools.cache
        def is_handled(department: str) -> bool:
            return department in askable and self._escalations.is_handled(department, at_desk=at_desk)

        return [
            {
                "escalation": self._shown(found[answer.id], hidden=is_hidden) if answer.id in found else None,
                "can_ask_person": answer.id not in found
                and not is_hidden
                and answer.provenance.source != "courtesy"
                and is_handled(answer.department),
            }
            for answer, is_hidden in zip(answers, hidden, strict=True)
        ]

    def ask(self, person: Person, answer: Answer, *, hidden: bool) -> dict[str, Any]:
        """Hand an answer's question to a person, unless that was done before; return what the page shows of it.

        :raises ConflictError: nobody handles questions of its department, or the person may not ask it any more.
        """
        (now,) = self.of_answers(person, [answer], [hidden])
        if now["escalation"] is not None:
            return dict(now["escalation"])
        if not now["can_ask_person"]:
            raise ConflictError("Nobody can take this question at the moment.", hint="Reload the page.")
        escalation, _ = self._escalations.open(answer.id, person)
        return self._shown(escalation, hidden=hidden)

    def _shown(self, escalation: Escalation, *, hidden: bool) -> dict[str, Any]:
        reply = "" if hidden else escalation.reply
        return {
            "state": STATES[escalation.outcome],
            "since": escalation.opened_at,
            "by": self._name(escalation.resolved_by),
            "at": escalation.resolved_at,
            "text": reply,
            "html": render(reply),
        }

    def _name(self, person_id: str) -> str:
        """Return who it was; an empty text if the name isn't known, or was erased."""
        channel, _, name = person_id.partition(":")
        return self._departments.person(person_id).name or (name if channel == NAME else "")
