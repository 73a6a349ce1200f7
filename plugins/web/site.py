"""The application of web chat: the chat page, the API, signing in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response  # noqa: TC002 - FastAPI reads the annotations of routes
from fastapi.responses import RedirectResponse

from bot.domain.people import Person, Role
from bot.server.pages.layout import StaticFolder, page_templates
from bot.server.returning import sign_in_address
from plugins.web.api import Web, api
from plugins.web.contract.document import Described
from plugins.web.contract.page import add_docs
from plugins.web.conversations import TITLE_CHARACTERS, Conversations
from plugins.web.deleting import Deleting
from plugins.web.escalations import DESK
from plugins.web.intake import Intake
from plugins.web.sign_in import SignIn
from plugins.web.stream import AnswerStream
from plugins.web.unanswered import Unanswered
from plugins.web.wording import words

if TYPE_CHECKING:
    from bot.hooks.instance import Instance

FOLDER = Path(__file__).parent
DEMO = Person("web:demo", "Demo", Role.OPERATOR)
"""Who everybody is on a demo: an operator, so that the console can be tried too."""

ENTRIES = ("chat.js", "sign_in.js")
"""Scripts that pages name; the others are modules of the chat, fetched at the same time."""


def build_site(instance: Instance) -> FastAPI:
    """Return the application of an instance, to be mounted at the root."""
    people, sessions = instance.people, instance.sessions
    demo = instance.settings.web.sign_in == "demo"
    question_chars = instance.settings.limits.question_chars
    templates = page_templates(FOLDER / "templates")
    site = Described(sessions.cookie)
    site.state.web = _web(instance)
    site.include_router(api)
    add_docs(site, templates)
    site.mount("/chat", StaticFolder(FOLDER / "static"), name="chat")
    SignIn(people, sessions, templates, demo=demo).add_to(site)

    @site.get("/", include_in_schema=False)
    def chat(request: Request) -> Response:
        """Show the page; on a demo the first visit signs in."""
        person, token = sessions.person_of(request), ""
        if person is None and demo:
            person = people.ensure(DEMO)
            token = sessions.open(person)
        if person is None:
            return RedirectResponse(sign_in_address(request), 303)
        shown = {
            "person": person,
            "demo": demo,
            "operator": person.role.includes(Role.OPERATOR),
            "desk": person.is_anywhere(Role.AGENT) and instance.plugins.serves(DESK),
            "limit": question_chars,
            "title_limit": TITLE_CHARACTERS,
            "words": json.dumps(words()),
            "modules": sorted(each.name for each in (FOLDER / "static").glob("*.js") if each.name not in ENTRIES),
        }
        response = templates.TemplateResponse(request, "chat.html", shown)
        if token:
            sessions.set_cookie(response, token)
        return response

    return site


def _web(instance: Instance) -> Web:
    departments = instance.departments
    intake = Intake(instance.inbox, departments, instance.settings.limits)
    conversations = Conversations.of(instance)
    stream = AnswerStream(instance.answer_events, intake, conversations)
    unanswered = Unanswered(instance.inbox, instance.answer_events)
    deleting = Deleting(instance.store, instance.inbox, instance.history, instance.escalations, unanswered)
    return Web(
        instance.sessions,
        departments,
        instance.votes,
        instance.actions,
        intake,
        unanswered,
        deleting,
        conversations,
        stream,
    )
